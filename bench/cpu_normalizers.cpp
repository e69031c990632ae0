// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: what do normalizers with a threshold search cost, compared with softmax?
//
// The cost depends on the scores: the search takes fewer passes if few keys lie above the threshold. The claims are
// made with uniform inputs (scores of standard deviation 1/3: flat rows, the hard case); notes give normal inputs.

#include <algorithm>
#include <string>
#include <vector>

#include "basin/basin.hpp"
#include "support/attention_case.hpp"
#include "support/suite.hpp"

namespace {

/// The number of keys with weight in each row.
template <class Attention>
std::vector<double> supports(Attention const& use, bench::attention_case& shape) {
  std::vector<double> counts(static_cast<std::size_t>(shape.length()));
  basin::active_set_size const count{basin::contiguous(counts.data(), 1, 1, shape.length())};
  basin::cpu::forward(use.with(count), shape.q(), shape.k(), shape.v(), shape.out());
  return counts;
}

class contest {
 public:
  contest(bench::suite& suite, bench::draw from)
      : suite_(suite), from_(from), shape_(suite.how() == bench::mode::dry ? 200 : 4096, 64, from) {}

  void run() {
    basin::attention<> const softmax;
    suite_.expect("softmax agrees with the reference" + drawn(), [&] { return shape_.agrees(softmax); });
    enter("softmax", softmax);
    enter("top_k", softmax.with(basin::top_k{.k = 64}), weights::relative);
    enter("sparsemax", softmax.with(basin::sparsemax{}), weights::absolute);
    enter("entmax15", softmax.with(basin::entmax15{}), weights::absolute);
    auto const t = suite_.alternate(turns_);
    for (std::size_t n = 1; n < t.size(); ++n) {
      auto const ratio = bench::ratios(t[n].seconds, t[0].seconds);
      std::string const name = "cpu_" + t[n].name.substr(0, t[n].name.find(',')) + "_over_softmax";
      std::string const meaning = "time over the time of softmax" + drawn();
      if (from_ == bench::draw::uniform) suite_.claim(name, meaning, ratio);
      else suite_.note(name + "_normal", meaning, ratio);
    }
  }

 private:
  enum class weights { relative, absolute };

  std::string drawn() const { return from_ == bench::draw::uniform ? ", uniform inputs" : ", normal inputs"; }

  template <class Attention>
  void enter(std::string const& name, Attention const& use) {
    auto const forward = [this, use] { basin::cpu::forward(use, shape_.q(), shape_.k(), shape_.v(), shape_.out()); };
    turns_.push_back({name + drawn(), shape_.flops(), forward});
  }
  template <class Attention>
  void enter(std::string const& name, Attention const& use, weights errors) {
    auto const sizes = supports(use, shape_);
    double const most = *std::max_element(sizes.begin(), sizes.end());
    double const amplified = errors == weights::absolute ? most : 1.0;
    suite_.expect(name + " agrees with the reference" + drawn(),
                  [&] { return shape_.agrees(use, {static_cast<basin::index_t>(most), amplified}); });
    suite_.note(name + "_keys_with_weight" + drawn(), "in a row; quartiles over rows", sizes);
    enter(name, use);
  }

  bench::suite& suite_;
  bench::draw from_;
  bench::attention_case shape_;
  std::vector<bench::contender> turns_;
};

}  // namespace

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "What do searching normalizers cost, compared with softmax? fp32, k = 64, d = 64, L = 4096, "
                     "one thread"};
  for (auto const from : {bench::draw::uniform, bench::draw::normal}) contest(suite, from).run();
  return suite.report();
}
