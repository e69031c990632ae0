// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the blocks of a call share: its arguments, which queries a block of rows holds, and how products become scores.

#include <cmath>

#include "basin/cuda/detail/rows.hpp"
#include "basin/cuda/detail/tiles.hpp"
#include "basin/cuda/plan.hpp"
#include "basin/cuda/tuning.hpp"

namespace basin::gpu::detail {

/// The arguments of a forward call beside its policies. E is what q, k and v are stored in; Keys a view of it or pages.
template <class E, class N, class Out, class Keys = view<E const, 4>>
struct forward_arguments {
  problem p;                                                     // `keys`: of the longest sequence
  view<E const, 4> q;
  Keys k, v;
  view<Out, 4> out;
  kept_row<N>* kept = nullptr;                                   // [batch, heads, queries]: finished rows, for those who come after
  float rsqrt_dim = 0;                                           // set once, on the host

  BASIN_DEVICE index group() const { return p.heads / p.kv_heads; }
  BASIN_DEVICE index row(index batch, index head, index query) const { return (batch * p.heads + head) * p.queries + query; }
  BASIN_DEVICE kept_row<N>& kept_at(index batch, index head, index query) const { return kept[row(batch, head, query)]; }
};

/// Those of a backward call; G is what gradients are written as.
template <class E, class N, class G>
struct backward_arguments : forward_arguments<E, N, G> {
  using delta_type = cuda::std::array<float, jacobian_of<N, float>::rank>;

  view<E const, 4> dout;
  view<G, 4> dq, dk, dv;
  delta_type* deltas = nullptr;                                  // [batch, heads, queries]: sum_k carry_k dw_k

  BASIN_DEVICE delta_type& delta_at(index batch, index head, index query) const { return deltas[this->row(batch, head, query)]; }
};

/// The generation that a selector names: portable where it names none.
template <class Selector>
struct generation_named {
  using type = portable;
};
template <class Selector>
  requires requires { typename Selector::generation; }
struct generation_named<Selector> {
  using type = typename Selector::generation;
};

/// Those of a backward call whose forward call kept its rows; `kept` are those, and `made` is what it wrote.
template <class E, class N, class G>
struct saved_backward_arguments : backward_arguments<E, N, G> {
  view<E const, 4> made;
};

/// A call: its arguments, its policies, and all that kernels are templated on. A block holds OwnTiles tiles of its own rows.
template <class E, int Dim, class Attention, class Arguments, class Selector, int OwnTiles>
struct call : Arguments {
  using element = E;
  using arguments = Arguments;
  using attention_type = Attention;
  using normalizer_type = decltype(Attention::normalize);
  using watch_type = observation<decltype(Attention::observe)>;
  using generation = typename generation_named<Selector>::type;
  static constexpr int dim = Dim, own_tiles = OwnTiles;
  static constexpr tuning cut = Selector::of(sizeof(E), Dim);
  static constexpr int threads = 32 * cut.warps, rows = 16 * cut.warps, tiles = cut.columns / 8;
  using tile_type = shared_tile<E, Dim>;
  using scores_type = sums_of_warp<tiles>;
  static_assert(cut.columns % 16 == 0);
  static constexpr int shared_bytes = generation::template shared_bytes<call>;

  Attention use;

  BASIN_HD call(Attention const& with, Arguments const& rest) : Arguments(rest), use(with) {
    if (this->rsqrt_dim == 0.0f) this->rsqrt_dim = 1.0f / std::sqrt(static_cast<float>(this->p.dim));
  }
};

template <class E, int Dim, class Attention, class Out, class Selector = default_tuning, class Keys = view<E const, 4>>
using forward_call = call<E, Dim, Attention, forward_arguments<E, decltype(Attention::normalize), Out, Keys>, Selector, 1>;
template <class E, int Dim, class Attention, class G, class Selector = default_backward_tuning>
using backward_call = call<E, Dim, Attention, backward_arguments<E, decltype(Attention::normalize), G>, Selector, 2>;
template <class E, int Dim, class Attention, class G, class Selector = default_backward_tuning>
using saved_backward_call = call<E, Dim, Attention, saved_backward_arguments<E, decltype(Attention::normalize), G>, Selector, 2>;

/// Rows [first, first + rows) of a key head of one sequence: row n is query n / group of head n % group, so that short queries of
/// many heads fill a block, too.
struct rows_of_block {
  int batch = 0;
  index kv_head = 0, first = 0, count = 0, group = 1;

  BASIN_DEVICE index query(index n) const { return (first + n) / group; }
  BASIN_DEVICE int head(index n) const { return static_cast<int>(kv_head * group + (first + n) % group); }

  /// How much of keys [from, to) the queries of the block may see, in a sequence of `keys` keys.
  template <class Call>
  BASIN_DEVICE coverage seen(Call const& c, index keys, index from, index to) const {
    index const before = keys - c.p.queries, low = query(0) + before, high = query(count - 1) + before + 1, last = to < keys ? to : keys;
    index const heads = query(0) == query(count - 1) ? count : group;
    coverage all = coverage::none;
    for (index n = 0; n < heads; ++n) {
      tile const t{batch, query(0) == query(count - 1) ? head(n) : static_cast<int>(kv_head * group + n), low, high, from, last};
      coverage one = c.use.visible.covers(t);
      if (one != coverage::none) one = both(one, basin::kept(c.use.prune, t));
      all = n == 0 ? one : all == one ? all : coverage::some;
    }
    return all == coverage::all && to > keys ? coverage::some : all;
  }
};

/// One row of a lane: where it stands, and how many keys its sequence has; none where there is no query.
struct row_of_lane {
  int batch = 0, head = 0;
  index query = 0, position = 0, keys = 0;

  static BASIN_DEVICE row_of_lane of(int batch, int head, index query, index queries, index keys) { return {batch, head, query, query + keys - queries, keys}; }
  BASIN_DEVICE pair_at<float> pair(index key, float rsqrt_dim) const { return {batch, head, static_cast<float>(position), static_cast<float>(key), rsqrt_dim}; }
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
  if (key >= row.keys) return unseen;
  float const s = c.use.score.score(dot, row.pair(key, c.rsqrt_dim));
  if (seen == coverage::all) return {s, true};
  coord const at{row.batch, row.head, row.position, key};
  return c.use.visible.allows(at) && c.use.prune.keeps(at, s) ? seen_score{s, true} : unseen;
}

/// One pair on its way back: its score, its weight, and the Jacobian there. A pair that is not seen has weight 0.
template <class N>
struct weighed_pair {
  float score = math::minus_inf<float>(), weight = 0.0f;
  bool seen = false;

  BASIN_DEVICE bool weighs() const { return seen && score != math::minus_inf<float>(); }
};

template <class Call>
BASIN_DEVICE auto weighed(Call const& c, kept_row<typename Call::normalizer_type> const& kept, row_of_lane const& row, index key, coverage seen, float dot) {
  using N = typename Call::normalizer_type;
  auto const [score, is_seen] = score_of(c, row, key, seen, dot);
  return weighed_pair<N>{score, weight_in<N>(c.use.normalize, kept, score), is_seen};
}

/// The gradient of the score, from that of the weight: ds.
template <class Call>
BASIN_DEVICE float score_gradient_of(Call const& c, kept_row<typename Call::normalizer_type> const& kept, typename Call::delta_type const& delta,
                                     weighed_pair<typename Call::normalizer_type> const& pair, float dweight) {
  return pair.weighs() ? score_gradient(as_low_rank(c.use.normalize.jacobian(kept.row, pair.score, pair.weight)), dweight, delta) : 0.0f;
}

/// The gradient of <q, k>, from ds.
template <class Call>
BASIN_DEVICE float dot_gradient(Call const& c, row_of_lane const& row, index key, float dot, float ds) {
  return ds == 0.0f ? ds : ds * c.use.score.slope(dot, row.pair(key, c.rsqrt_dim));  // where nobody sees it, whatever the product is
}

}  // namespace basin::gpu::detail
