// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: what does a causal forward save against a full one?

#include <string>

#include "basin/basin.hpp"
#include "support/attention_case.hpp"
#include "support/suite.hpp"

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "What does a causal forward save against a full one? fp32, L = 4096, one thread"};
  basin::attention<> const full;
  auto const causal = full.with(basin::causal{});

  for (basin::index_t const dim : {64, 128}) {
    bench::attention_case shape(suite.how() == bench::mode::dry ? 200 : 4096, dim);
    suite.expect("the full forward agrees with the reference", [&] { return shape.agrees(full); });
    suite.expect("the causal forward agrees with the reference", [&] { return shape.agrees(causal); });

    std::string const suffix = ", d = " + std::to_string(dim);
    auto const forward = [&](auto const& use) {
      return [&] { basin::cpu::forward(use, shape.q(), shape.k(), shape.v(), shape.out()); };
    };
    auto const t = suite.alternate({{"causal" + suffix, shape.flops() / 2, forward(causal)},
                                    {"full" + suffix, shape.flops(), forward(full)}});
    auto const ratio = bench::ratios(t[0].seconds, t[1].seconds);
    if (dim == 64)
      suite.claim("cpu_causal_over_full_l4k", "time of a causal forward over time of a full one, d = 64", ratio);
    else suite.note("cpu_causal_over_full_d128_l4k", "the same, d = 128", ratio);
  }
  return suite.report();
}
