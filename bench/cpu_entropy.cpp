// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: what does it cost to record the entropy and the largest weight of every row?

#include <string>
#include <vector>

#include "basin/basin.hpp"
#include "support/attention_case.hpp"
#include "support/suite.hpp"

namespace {

/// One length, with the recorded values of each row.
class length_case {
  using numbers = std::vector<double>;

  auto watching(numbers& entropies, numbers& largest) const {
    auto const figures = [](numbers& rows) {
      return basin::contiguous(rows.data(), 1, 1, static_cast<basin::index_t>(rows.size()));
    };
    return plain_.with(basin::together(basin::entropy{figures(entropies)}, basin::max_weight{figures(largest)}));
  }

 public:
  explicit length_case(basin::index_t length)
      : shape_(length, 64), entropies_(static_cast<std::size_t>(length)), largest_(entropies_) {}

  std::string name() const { return "L = " + std::to_string(shape_.length()); }

  void check(bench::suite& suite) {
    suite.expect("the plain forward agrees with the reference, " + name(), [&] { return shape_.agrees(plain_); });
    suite.expect("the observed forward agrees with the reference, " + name(),
                 [&] { return shape_.agrees(watching(entropies_, largest_)); });
    suite.expect("entropies and largest weights agree with the reference, " + name(), [&] { return rows_agree(); });
  }

  std::vector<double> overhead(bench::suite& suite) {
    auto const forward = [&](auto const& use) {
      return [this, use] { basin::cpu::forward(use, shape_.q(), shape_.k(), shape_.v(), shape_.out()); };
    };
    int const times = bench::times_for(shape_.flops());
    auto const t = suite.alternate({{"with entropy and largest weight, " + name(), shape_.flops(),
                                     forward(watching(entropies_, largest_)), times},
                                    {"forward, " + name(), shape_.flops(), forward(plain_), times}});
    return bench::ratios(t[0].seconds, t[1].seconds);
  }

 private:
  bool rows_agree() {
    auto const rows = static_cast<std::size_t>(shape_.sampled());
    numbers entropies(rows), largest(rows), out(rows * 64), got, got_largest;
    basin::reference::forward(watching(entropies, largest), shape_.sampled_of(shape_.q().data_handle()), shape_.k(),
                              shape_.v(),
                              basin::contiguous(out.data(), 1, 1, shape_.sampled(), 64));
    for (basin::index_t n = 0; n < shape_.sampled(); ++n) {
      got.push_back(entropies_[static_cast<std::size_t>(shape_.row(n))]);
      got_largest.push_back(largest_[static_cast<std::size_t>(shape_.row(n))]);
    }
    double const near = shape_.tolerance({shape_.length()});
    return bench::attention_case::close(got, entropies, near) &&
           bench::attention_case::close(got_largest, largest, near);
  }

  basin::attention<> plain_{};
  bench::attention_case shape_;
  numbers entropies_, largest_;
};

}  // namespace

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "What do entropy and largest weight of every row cost on top of a forward? fp32, d = 64, "
                     "one thread"};
  bool const dry = suite.how() == bench::mode::dry;

  for (basin::index_t const length : {4096, 1024, 8192}) {
    length_case shape(dry ? 96 + length / 128 : length);
    shape.check(suite);
    auto const overhead = shape.overhead(suite);
    char const* const meaning = "time with entropy and largest weight over time without";
    if (length == 4096) suite.claim("cpu_entropy_overhead", std::string(meaning) + ", L = 4096", overhead);
    else suite.note("cpu_entropy_overhead_l" + std::to_string(length / 1024) + "k", meaning, overhead);
  }
  return suite.report();
}
