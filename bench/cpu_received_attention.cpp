// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: what does it cost to record how much attention each key receives?

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "basin/basin.hpp"
#include "support/attention_case.hpp"
#include "support/suite.hpp"

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "What does received attention cost on top of a forward? fp32, d = 64, L = 2048, one thread"};

  basin::index const length = suite.how() == bench::mode::dry ? 96 : 2048;
  bench::attention_case shape(length, 64);
  std::vector<double> sums(static_cast<std::size_t>(length));
  basin::attention<> const plain;
  auto const observed = plain.with(basin::received_attention{basin::contiguous(sums.data(), 1, 1, length)});

  suite.expect("the plain forward agrees with the reference", [&] { return shape.agrees(plain); });
  suite.expect("the observed forward agrees with the reference", [&] { return shape.agrees(observed); });
  suite.expect("what the keys receive is one unit per query", [&] {
    double const mass = std::accumulate(sums.begin(), sums.end(), 0.0), queries = static_cast<double>(length);
    return std::fabs(mass - queries) <= queries * queries * std::numeric_limits<float>::epsilon();
  });

  auto const forward = [&](auto const& use) { return [&] { basin::cpu::forward(use, shape.q(), shape.k(), shape.v(), shape.out()); }; };
  auto const t = suite.alternate({
      {"forward with received attention", shape.flops(), forward(observed)},
      {"forward", shape.flops(), forward(plain)},
  });
  suite.claim("cpu_received_attention_overhead", "time with received attention over time without", bench::ratios(t[0].seconds, t[1].seconds));
  return suite.report();
}
