// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: what share of the processor's FMA peak does a full softmax forward reach on one thread?

#include <deque>
#include <string>

#include "basin/basin.hpp"
#include "support/attention_case.hpp"
#include "support/fma_peak.hpp"
#include "support/suite.hpp"

namespace {

struct size {
  basin::index_t dim, length;
  std::string name;
  bool in_mean = true;
};

}  // namespace

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "What share of the FMA peak does a full softmax forward reach? fp32, one thread"};
  bool const dry = suite.how() == bench::mode::dry;

  size const sizes[] = {{64, 1024, "d64_l1k"},   {64, 4096, "d64_l4k"},   {64, 8192, "d64_l8k"},
                        {128, 1024, "d128_l1k"}, {128, 4096, "d128_l4k"}, {128, 8192, "d128_l8k"},
                        {64, 2048, "d64_l2k", false}};
  std::deque<bench::attention_case> shapes;
  for (auto const& s : sizes) shapes.emplace_back(dry ? 96 : s.length, s.dim);
  bench::fma_peak<float> peak(dry ? 1000 : 10'000'000);
  basin::attention<> const full;

  for (auto& shape : shapes)
    suite.expect("basin::cpu::forward agrees with basin::reference::forward", [&] { return shape.agrees(full); });
  suite.expect("the FMA chains end at their fixed point", [&] { return peak.run(), peak.right(); });

  std::vector<bench::contender> turns;                           // each forward beside the peak: clocks may change
  for (std::size_t n = 0; n < shapes.size(); ++n) {
    auto& shape = shapes[n];
    turns.push_back({"basin::cpu::forward, " + sizes[n].name, shape.flops(),
                     [&] { basin::cpu::forward(full, shape.q(), shape.k(), shape.v(), shape.out()); },
                     bench::times_for(shape.flops())});
    turns.push_back({"FMA peak, fp32", peak.flops(), [&] { peak.run(); }});
  }
  auto const t = suite.alternate(turns);
  std::vector<std::vector<double>> all;
  for (std::size_t n = 0; n < shapes.size(); ++n) {
    auto const share = bench::ratios(bench::rates(t[2 * n]), bench::rates(t[2 * n + 1]));
    suite.claim("cpu_forward_fp32_" + sizes[n].name + "_peak_share",
                "FLOP/s of the forward (4 L L d) over FLOP/s of the FMA peak", share);
    if (sizes[n].in_mean) all.push_back(share);
  }
  suite.claim("cpu_forward_fp32_mean_peak_share", "the mean over L = 1k, 4k and 8k", bench::mean(all));
  return suite.report();
}
