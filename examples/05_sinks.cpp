// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A small study of sinks: finds the key that receives the most attention, and compares hiding it with hiding another.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "basin/basin.hpp"

int const length = 64, dim = 32;

/// The distance by which the output moves when one key is hidden from every query.
double change_without(int key, basin::view<float const, 4> q, basin::view<float const, 4> k,
                      basin::view<float const, 4> v, std::vector<float> const& before) {
  std::vector<std::uint8_t> dropped(length, 0);
  dropped[static_cast<std::size_t>(key)] = 1;
  std::vector<float> after(before.size());
  auto const hidden = basin::contiguous(std::as_const(dropped).data(), 1, 1, length);
  auto const use = basin::attention<>{}.with(basin::drop_keys{hidden});
  basin::cpu::forward(use, q, k, v, basin::contiguous(after.data(), 1, 1, length, dim));
  double sum = 0;
  for (std::size_t i = 0; i < after.size(); ++i) sum += std::pow(after[i] - before[i], 2);
  return std::sqrt(sum);
}

int main() {
  std::vector<float> q(length * dim), k(q.size()), v(q.size()), out(q.size());
  basin::philox random(11);
  for (auto* tensor : {&q, &k, &v})
    for (float& x : *tensor) x = static_cast<float>(basin::normal(random));
  for (int d = 0; d < dim; ++d) {                                // plants a sink: queries and key 5 share a direction
    for (int i = 0; i < length; ++i) q[static_cast<std::size_t>(i * dim + d)] += 1;
    k[5 * dim + static_cast<std::size_t>(d)] = 1;
  }
  auto const view = [](std::vector<float> const& x) { return basin::contiguous(x.data(), 1, 1, length, dim); };

  std::vector<double> received(length);
  auto const sums = basin::contiguous(received.data(), 1, 1, length);
  auto const observed = basin::attention<>{}.with(basin::received_attention{sums});
  basin::cpu::forward(observed, view(q), view(k), view(v), basin::contiguous(out.data(), 1, 1, length, dim));
  int const sink = static_cast<int>(std::max_element(received.begin(), received.end()) - received.begin());

  std::printf("key %d received %.1f of %d rows, the mean key 1.0\n", sink, received[static_cast<std::size_t>(sink)],
              length);
  std::printf("hiding it moves the output by %.2f, hiding key 40 by %.2f\n",
              change_without(sink, view(q), view(k), view(v), out), change_without(40, view(q), view(k), view(v), out));
  return sink == 5 ? 0 : 1;
}
