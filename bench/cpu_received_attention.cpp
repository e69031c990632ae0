// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: what does it cost to record how much attention each key receives?

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "basin/basin.hpp"
#include "support/attention_case.hpp"
#include "support/suite.hpp"

namespace {

/// One length: the received attention of the keys, checked and timed.
class length_case {
 public:
  explicit length_case(basin::index_t length) : shape_(length, 64), sums_(static_cast<std::size_t>(length)) {}

  auto observed() {
    return plain_.with(basin::received_attention{basin::contiguous(sums_.data(), 1, 1, shape_.length())});
  }
  std::string name() const { return "L = " + std::to_string(shape_.length()); }

  /// Column sums need every row of the reference. They are compared if that takes less than a second; their total (one
  /// per query) is checked for every length.
  void check(bench::suite& suite) {
    suite.expect("the plain forward agrees with the reference, " + name(), [&] { return shape_.agrees(plain_); });
    suite.expect("the observed forward agrees with the reference, " + name(),
                 [&] { return shape_.agrees(observed()); });
    suite.expect("the keys receive one unit per query, " + name(), [&] {
      double const mass = std::accumulate(sums_.begin(), sums_.end(), 0.0);
      double const queries = static_cast<double>(shape_.length());
      return std::fabs(mass - queries) <= queries * shape_.tolerance({shape_.length()});
    });
    if (shape_.length() <= 1024)
      suite.expect("the received attention agrees with the reference, " + name(), [&] { return sums_agree(); });
  }

  std::vector<double> overhead(bench::suite& suite) {
    auto const forward = [&](auto const& use) {
      return [this, use] { basin::cpu::forward(use, shape_.q(), shape_.k(), shape_.v(), shape_.out()); };
    };
    int const times = bench::times_for(shape_.flops());
    auto const t = suite.alternate({{"with received attention, " + name(), shape_.flops(), forward(observed()), times},
                                    {"forward, " + name(), shape_.flops(), forward(plain_), times}});
    return bench::ratios(t[0].seconds, t[1].seconds);
  }

 private:
  bool sums_agree() {
    std::vector<double> expected(sums_.size()), out(sums_.size() * 64);
    basin::received_attention const received{basin::contiguous(expected.data(), 1, 1, shape_.length())};
    basin::reference::forward(plain_.with(received), shape_.q(), shape_.k(), shape_.v(),
                              basin::contiguous(out.data(), 1, 1, shape_.length(), 64));
    return bench::attention_case::close(sums_, expected, shape_.tolerance({shape_.length()}));
  }

  basin::attention<> plain_{};
  bench::attention_case shape_;
  std::vector<double> sums_;
};

}  // namespace

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "What does received attention cost on top of a forward? fp32, d = 64, one thread"};
  bool const dry = suite.how() == bench::mode::dry;

  std::vector<std::vector<double>> overheads;
  for (basin::index_t const length : {1024, 4096, 8192}) {
    length_case shape(dry ? 96 + length / 128 : length);
    shape.check(suite);
    overheads.push_back(shape.overhead(suite));
    suite.note("cpu_received_attention_overhead_l" + std::to_string(length / 1024) + "k",
               "time with received attention over time without", overheads.back());
  }
  suite.claim("cpu_received_attention_overhead", "the worst of the lengths", bench::worst(overheads));
  return suite.report();
}
