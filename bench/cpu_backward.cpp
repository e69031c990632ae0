// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: what share of the processor's FMA peak does a full softmax backward reach on one thread?

#include "basin/basin.hpp"
#include "support/fma_peak.hpp"
#include "support/gradient_case.hpp"
#include "support/suite.hpp"

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "What share of the FMA peak does a full softmax backward reach? fp32, d = 64, L = 2048, "
                     "one thread"};
  bool const dry = suite.how() == bench::mode::dry;
  bench::gradient_case shape(dry ? 96 : 2048, 64);
  bench::fma_peak<float> peak(dry ? 1000 : 10'000'000);
  basin::attention<> const full;

  suite.expect("basin::cpu::backward agrees with basin::reference::backward", [&] { return shape.agrees(full); });
  suite.expect("the FMA chains end at their fixed point", [&] { return peak.run(), peak.right(); });

  basin::index_t const length = dry ? 96 : 2048;
  std::vector<double> sums(static_cast<std::size_t>(length)), nats(sums.size());
  auto const observed = full.with(
      basin::together(basin::received_attention{basin::contiguous(sums.data(), 1, 1, length)},
                      basin::entropy{basin::contiguous(nats.data(), 1, 1, length)}));
  auto const t = suite.alternate({
      {"basin::cpu::backward", shape.flops(), [&] { shape.run(full); }},
      {"FMA peak, fp32", peak.flops(), [&] { peak.run(); }},
      {"with received attention and entropy", shape.flops(), [&] { shape.run(observed); }},
  });
  suite.claim("cpu_backward_fp32_d64_l2k_peak_share", "FLOP/s of the backward (10 L L d) over FLOP/s of the FMA peak",
              bench::ratios(bench::rates(t[0]), bench::rates(t[1])));
  suite.note("cpu_backward_received_attention_and_entropy_overhead", "time with both over time without",
             bench::ratios(t[2].seconds, t[0].seconds));
  return suite.report();
}
