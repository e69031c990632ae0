// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Generation with a cache: a buffer for the longest length with a view of its filled part, or pages of a paged cache.

#include <cmath>
#include <cstdio>
#include <vector>

#include "basin/basin.hpp"

int main() {
  int const heads = 8, kv_heads = 2, dim = 64, longest = 256, prompt = 100;
  std::vector<float> q(longest * heads * dim), k(longest * kv_heads * dim), v(k.size());
  std::vector<float> whole(q.size()), step(heads * dim);
  basin::philox random(5);
  for (auto* tensor : {&q, &k, &v})
    for (float& x : *tensor) x = static_cast<float>(basin::normal(random));

  // Buffers are [length, heads, dim] and views are [batch, heads, length, dim]; the strides make up the difference.
  auto const rows = [&](float* data, int count, int n) {
    return basin::strided(data, std::array<basin::index_t, 4>{1, count, n, dim},
                          std::array<basin::index_t, 4>{0, dim, count * dim, 1});
  };
  auto const use = basin::attention<>{}.with(basin::causal{});
  basin::cpu::forward(use, rows(q.data(), heads, longest), rows(k.data(), kv_heads, longest),
                      rows(v.data(), kv_heads, longest), rows(whole.data(), heads, longest));

  double worst = 0;
  auto const compare = [&](int n) {
    for (int i = 0; i < heads * dim; ++i)
      worst = std::max(worst, std::abs(double(step[i]) - whole[n * heads * dim + i]));
  };
  for (int n = prompt; n < longest; ++n) {                       // one query against the n + 1 keys so far
    basin::cpu::decode(use, rows(q.data() + n * heads * dim, heads, 1), rows(k.data(), kv_heads, n + 1),
                       rows(v.data(), kv_heads, n + 1), rows(step.data(), heads, 1));
    compare(n);
  }
  std::printf("%d steps of decoding agree with one causal forward to %.1e\n", longest - prompt, worst);

  // The cache owns the memory, in pages of 64 keys. A sequence takes pages as it grows; sequences with the same
  // beginning share pages.
  basin::cpu::key_value_cache<float> cache({.kv_heads = kv_heads, .dim = dim, .value_dim = dim});
  auto const first = cache.open();
  cache.append(first, rows(k.data(), kv_heads, prompt), rows(v.data(), kv_heads, prompt));
  auto const second = cache.fork(first, prompt / 2);             // shares the first page of `first`; nothing is copied
  for (int n = prompt; n < longest; ++n) {
    cache.append(first, rows(k.data() + n * kv_heads * dim, kv_heads, 1),
                 rows(v.data() + n * kv_heads * dim, kv_heads, 1));
    auto const batch = cache.batch({&first, 1});
    basin::cpu::decode(use, rows(q.data() + n * heads * dim, heads, 1), batch.keys(), batch.values(),
                       rows(step.data(), heads, 1));
    compare(n);
  }
  std::printf("from pages to %.1e; %d keys and %d keys of a fork lie in %d pages\n", worst, int(cache.length(first)),
              int(cache.length(second)), int(cache.pages() - cache.free_pages()));
  return worst < 1e-5 ? 0 : 1;
}
