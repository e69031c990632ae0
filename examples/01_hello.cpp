// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One causal call of attention that also records the attention that every key receives.

#include <cstdio>
#include <vector>

#include "basin/basin.hpp"

int main() {
  int const batch = 1, heads = 2, length = 64, dim = 32;
  std::vector<float> q(heads * length * dim), k(q.size()), v(q.size()), out(q.size());
  basin::philox random(7);
  for (auto* tensor : {&q, &k, &v})
    for (float& x : *tensor) x = static_cast<float>(basin::normal(random));
  auto const view = [&](std::vector<float>& x) { return basin::contiguous(x.data(), batch, heads, length, dim); };

  std::vector<double> received(heads * length);
  auto const use = basin::attention<>{}
                       .with(basin::causal{})
                       .with(basin::received_attention{basin::contiguous(received.data(), batch, heads, length)});
  basin::cpu::forward(use, view(q), view(k), view(v), view(out));

  std::printf("the first key of each head received %.2f and %.2f of %d rows; the last %.2f and %.2f\n", received[0],
              received[length], length, received[length - 1], received[2 * length - 1]);
}
