// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The measurement of study/context_length.hpp.

#include "study/context_length.hpp"

#include <utility>
#include <vector>

#include "basin/attention.hpp"
#include "basin/cpu/forward.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/observe/entropy.hpp"
#include "basin/observe/max_weight.hpp"
#include "basin/observe/together.hpp"

namespace basin::study::detail {

namespace {

constexpr int top_keys = 8;

/// The queries at one position, and the keys up to it.
struct scored_rows {
  view<float const, 4> q, k;  // [batch, heads, 1, dim], [batch, kv_heads, n, dim]
};

scored_rows rows_at(view<float const, 4> q, view<float const, 4> k, index_t n) {
  return {strided(&q(0, 0, n - 1, 0), std::array<index_t, 4>{q.extent(0), q.extent(1), 1, q.extent(3)},
                  std::array<index_t, 4>{q.stride(0), q.stride(1), q.stride(2), q.stride(3)}),
          strided(&k(0, 0, 0, 0), std::array<index_t, 4>{k.extent(0), k.extent(1), n, k.extent(3)},
                  std::array<index_t, 4>{k.stride(0), k.stride(1), k.stride(2), k.stride(3)})};
}

/// All heads of these rows under one normalizer; `about` says what rows they are.
template <class Normalizer>
void measure(Normalizer normalize, scored_rows const& rows, length_figure about, char const* name,
             std::vector<length_figure>& out) {
  index_t const batch = rows.q.extent(0), heads = rows.q.extent(1), dim = rows.q.extent(3);
  std::vector<double> most(static_cast<std::size_t>(batch * heads)), nats(most.size());
  std::vector<float> ignored(most.size() * static_cast<std::size_t>(dim));
  auto const use = attention<>{}.with(normalize).with(together(max_weight{contiguous(most.data(), batch, heads, 1)},
                                                               entropy{contiguous(nats.data(), batch, heads, 1)}));
  cpu::forward(use, rows.q, rows.k, rows.k, contiguous(ignored.data(), batch, heads, 1, dim));
  about.normalizer = name;
  for (index_t h = 0; h < heads; ++h) {
    running_mean max, spread;
    for (index_t b = 0; b < batch; ++b) {
      max.add(most[static_cast<std::size_t>(b * heads + h)]);
      spread.add(nats[static_cast<std::size_t>(b * heads + h)]);
    }
    about.head = static_cast<int>(h), about.max_weight = max.result(), about.entropy = spread.result();
    out.push_back(about);
  }
}

}  // namespace

void length_probe::projected(int layer, view<float const, 4> q, view<float const, 4> k) const {
  for (index_t const n : lengths) {
    auto const rows = rows_at(q, k, n);
    length_figure const about{
        .normalizer = {}, .length = n, .range = range, .layer = layer, .head = 0, .max_weight = {}, .entropy = {}};
    measure(softmax{}, rows, about, "softmax", *out);
    measure(length_scaled<softmax, ssmax>{}, rows, about, "length_scaled<softmax, ssmax>", *out);
    measure(length_scaled<softmax, log_n>{{}, {trained_length}}, rows, about, "length_scaled<softmax, log_n>", *out);
    measure(top_k{top_keys}, rows, about, "top_k(8)", *out);
  }
}

}  // namespace basin::study::detail
