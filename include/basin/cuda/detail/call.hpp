// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the blocks of a call share: its arguments, which queries a block of rows holds, and how products become scores.

#include <cmath>

#include "basin/cuda/detail/products.hpp"
#include "basin/cuda/detail/rows.hpp"
#include "basin/cuda/plan.hpp"
#include "basin/cuda/tuning.hpp"

namespace basin::gpu::detail {

/// The arguments of a call, and all that kernels are templated on. E is what q, k and v are stored in.
template <class E, int Dim, class Attention, class Out, class Selector = default_tuning>
struct call {
  using element = E;
  using output = Out;
  using attention_type = Attention;
  using normalizer_type = decltype(Attention::normalize);
  using watch_type = observation<decltype(Attention::observe)>;
  static constexpr int dim = Dim;
  static constexpr tuning cut = Selector::of(sizeof(E), Dim);
  static constexpr int threads = 32 * cut.warps, rows = 16 * cut.warps, tiles = cut.columns / 8;
  using tile_type = shared_tile<E, Dim>;
  using scores_type = sums_of_warp<tiles>;
  static_assert(cut.columns % 16 == 0 && cut.stages == 2);

  Attention use;
  problem p;
  view<E const, 4> q, k, v;
  view<Out, 4> out;
  kept_row<normalizer_type>* kept = nullptr;                     // [batch, heads, queries]: finished rows, for those who come after

  BASIN_DEVICE index group() const { return p.heads / p.kv_heads; }
  BASIN_DEVICE float rsqrt_dim() const { return 1.0f / std::sqrt(static_cast<float>(p.dim)); }
  BASIN_DEVICE kept_row<normalizer_type>& kept_at(index batch, index head, index query) const { return kept[(batch * p.heads + head) * p.queries + query]; }

  static constexpr int shared_bytes = tile_type::bytes(rows) + 2 * cut.stages * tile_type::bytes(cut.columns);
};

/// Rows [first, first + rows) of a key head of one sequence: row n is query n / group of head n % group, so that short queries of
/// many heads fill a block, too.
struct rows_of_block {
  int batch = 0;
  index kv_head = 0, first = 0, count = 0, group = 1;

  BASIN_DEVICE index query(index n) const { return (first + n) / group; }
  BASIN_DEVICE int head(index n) const { return static_cast<int>(kv_head * group + (first + n) % group); }

  /// How much of keys [from, to) the queries of the block may see.
  template <class Call>
  BASIN_DEVICE coverage seen(Call const& c, index from, index to) const {
    index const low = c.p.position(query(0)), high = c.p.position(query(count - 1)) + 1, last = to < c.p.keys ? to : c.p.keys;
    index const heads = query(0) == query(count - 1) ? count : group;
    coverage all = coverage::none;
    for (index n = 0; n < heads; ++n) {
      tile const t{batch, query(0) == query(count - 1) ? head(n) : static_cast<int>(kv_head * group + n), low, high, from, last};
      coverage one = c.use.visible.covers(t);
      if (one != coverage::none) one = both(one, basin::kept(c.use.prune, t));
      all = n == 0 ? one : all == one ? all : coverage::some;
    }
    return all == coverage::all && to > c.p.keys ? coverage::some : all;
  }
};

/// One row of a lane: where it stands, and whether there is a query at all.
struct row_of_lane {
  int batch = 0, head = 0;
  index query = 0;
  float position = 0;
  enum class is { absent, present } here = is::absent;
};

/// A score, and whether the query sees the key.
struct seen_score {
  float score;
  bool seen;
};

/// <q, k> -> s, -inf where the query does not see the key.
template <class Call>
BASIN_DEVICE seen_score score_of(Call const& c, row_of_lane const& row, index key, coverage seen, float dot) {
  seen_score const unseen{math::minus_inf<float>(), false};
  if (row.here == row_of_lane::is::absent || key >= c.p.keys) return unseen;
  float const s = c.use.score.score(dot, pair_at<float>{row.batch, row.head, row.position, static_cast<float>(key), c.rsqrt_dim()});
  if (seen == coverage::all) return {s, true};
  coord const at{row.batch, row.head, c.p.position(row.query), key};
  return c.use.visible.allows(at) && c.use.prune.keeps(at, s) ? seen_score{s, true} : unseen;
}

}  // namespace basin::gpu::detail
