// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Generation with a cache: memory with room and a view of as much of it as is filled, or pages that a cache hands out.

#include <cmath>
#include <cstdio>
#include <vector>

#include "basin/basin.hpp"

int main() {
  int const heads = 8, kv_heads = 2, dim = 64, room = 256, prompt = 100;
  std::vector<float> q(room * heads * dim), k(room * kv_heads * dim), v(k.size()), whole(q.size()), step(heads * dim);
  basin::philox random(5);
  for (auto* tensor : {&q, &k, &v})
    for (float& x : *tensor) x = static_cast<float>(basin::normal(random));

  // Buffers are [length, heads, dim]; views are [batch, heads, length, dim], so the strides say how to read them.
  auto const rows = [&](float* data, int count, int n) {
    return basin::strided(data, std::array<basin::index_t, 4>{1, count, n, dim}, std::array<basin::index_t, 4>{0, dim, count * dim, 1});
  };
  auto const use = basin::attention<>{}.with(basin::causal{});
  basin::cpu::forward(use, rows(q.data(), heads, room), rows(k.data(), kv_heads, room), rows(v.data(), kv_heads, room), rows(whole.data(), heads, room));

  double worst = 0;
  auto const compare = [&](int n) {
    for (int i = 0; i < heads * dim; ++i) worst = std::max(worst, std::abs(double(step[i]) - whole[n * heads * dim + i]));
  };
  for (int n = prompt; n < room; ++n) {                          // one query against the n + 1 keys so far
    basin::cpu::decode(use, rows(q.data() + n * heads * dim, heads, 1), rows(k.data(), kv_heads, n + 1), rows(v.data(), kv_heads, n + 1), rows(step.data(), heads, 1));
    compare(n);
  }
  std::printf("%d steps of decoding agree with one causal forward to %.1e\n", room - prompt, worst);

  // A cache owns the memory: pages of 64 keys, taken as a sequence grows, shared by sequences that begin alike.
  basin::cpu::key_value_cache<float> cache({.kv_heads = kv_heads, .dim = dim, .value_dim = dim});
  auto const first = cache.open();
  cache.append(first, rows(k.data(), kv_heads, prompt), rows(v.data(), kv_heads, prompt));
  auto const second = cache.fork(first, prompt / 2);             // it reads the first page of the other, and copies nothing
  for (int n = prompt; n < room; ++n) {
    cache.append(first, rows(k.data() + n * kv_heads * dim, kv_heads, 1), rows(v.data() + n * kv_heads * dim, kv_heads, 1));
    auto const batch = cache.batch({&first, 1});
    basin::cpu::decode(use, rows(q.data() + n * heads * dim, heads, 1), batch.keys(), batch.values(), rows(step.data(), heads, 1));
    compare(n);
  }
  std::printf("from pages to %.1e; %d keys and %d keys of a fork lie in %d pages\n", worst, int(cache.length(first)), int(cache.length(second)),
              int(cache.pages() - cache.free_pages()));
  return worst < 1e-5 ? 0 : 1;
}
