// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the blocks of a call share: its arguments, the queries of a block of rows, and the step from products to scores.

#include <cmath>

#include "basin/concepts/jacobian.hpp"
#include "basin/concepts/normalizer.hpp"
#include "basin/cuda/detail/rows.hpp"
#include "basin/cuda/detail/tiles.hpp"
#include "basin/cuda/plan.hpp"
#include "basin/cuda/tuning.hpp"

namespace basin::gpu::detail {

/// The arguments of a forward call beside its policies. E is the storage type of q, k and v; Keys is a view of it or
/// pages.
template <class E, class N, class Out, class Keys = view<E const, 4>>
struct forward_arguments {
  problem p;                                                     // `keys`: of the longest sequence
  view<E const, 4> q;
  Keys k, v;
  view<Out, 4> out;
  kept_row<N>* kept = nullptr;                                   // [batch, heads, queries]: finished rows
  float rsqrt_dim = 1.0f / std::sqrt(static_cast<float>(p.dim)); // computed once, on the host

  BASIN_DEVICE index_t group() const { return p.heads / p.kv_heads; }
  BASIN_DEVICE index_t row(index_t batch, index_t head, index_t query) const {
    return (batch * p.heads + head) * p.queries + query;
  }
  BASIN_DEVICE kept_row<N>& kept_at(index_t batch, index_t head, index_t query) const {
    return kept[row(batch, head, query)];
  }
};

/// The arguments of a backward call; G is the type of the gradients.
template <class E, class N, class G>
struct backward_arguments : forward_arguments<E, N, G> {
  using delta_type = cuda::std::array<float, jacobian_of<N, float>::rank>;

  view<E const, 4> dout;
  view<G, 4> dq, dk, dv;
  delta_type* deltas = nullptr;                                  // [batch, heads, queries]: sum_k carry_k dw_k

  BASIN_DEVICE delta_type& delta_at(index_t batch, index_t head, index_t query) const {
    return deltas[this->row(batch, head, query)];
  }
};

/// The generation that a selector names, or portable.
template <class Selector>
struct generation_named {
  using type = portable;
};
template <class Selector>
  requires requires { typename Selector::generation; }
struct generation_named<Selector> {
  using type = typename Selector::generation;
};

/// The arguments of a backward call whose forward call kept its rows: they are `kept`, its output is `made`.
template <class E, class N, class G>
struct saved_backward_arguments : backward_arguments<E, N, G> {
  view<E const, 4> made;
};

/// The type to which operands of products are rounded: tf32 where a selector names it for floats, else the storage
/// type.
template <class E, class Selector>
struct arithmetic_named {
  using type = E;
};
template <class Selector>
  requires requires { typename Selector::arithmetic; }
struct arithmetic_named<float, Selector> {
  using type = typename Selector::arithmetic;
};

/// A call: its arguments, its policies, and all template parameters of its kernels. A block has OwnTiles resident
/// tiles.
template <class E, int Dim, class Attention, class Arguments, class Selector, int OwnTiles>
struct call : Arguments {
  using element = E;
  using arithmetic = typename arithmetic_named<E, Selector>::type;
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
  /// Whether unnormalised weights are computed from products by one multiply-add and one exponential each, without
  /// scores.
  static constexpr bool terms_of_products =
      exponential_normalizer<normalizer_type> && linear_scorer<decltype(Attention::score)>;
  static_assert(cut.columns % 16 == 0);
  static constexpr int shared_bytes = generation::template shared_bytes<call>;

  Attention use;

  BASIN_HD call(Attention const& with, Arguments const& rest) : Arguments(rest), use(with) {}
};

template <class E, int Dim, class Attention, class Out, class Selector = default_tuning, class Keys = view<E const, 4>>
using forward_call =
    call<E, Dim, Attention, forward_arguments<E, decltype(Attention::normalize), Out, Keys>, Selector, 1>;
template <class E, int Dim, class Attention, class G, class Selector = default_backward_tuning>
using backward_call = call<E, Dim, Attention, backward_arguments<E, decltype(Attention::normalize), G>, Selector, 2>;
template <class E, int Dim, class Attention, class G, class Selector = default_backward_tuning>
using saved_backward_call =
    call<E, Dim, Attention, saved_backward_arguments<E, decltype(Attention::normalize), G>, Selector, 2>;

/// How much of a tile the mask and the pruner leave visible, for `heads` heads head_of(n). All lanes of a warp call it
/// together. Where the heads are not alike, each lane evaluates a part of the keys.
template <class M, class Call, class Head>
BASIN_DEVICE coverage left_of(M const& m, Call const& c, tile t, index_t heads, Head const& head_of) {
  auto const judge = [&](tile const& at) {
    coverage const seen = c.use.visible.covers(at);
    return seen == coverage::none ? seen : both(seen, basin::kept(c.use.prune, at));
  };
  if constexpr (heads_are_alike<decltype(c.use.visible)> && heads_are_alike<decltype(c.use.prune)>) {
    t.head = head_of(0);
    return judge(t);
  } else {
    index_t const each = (t.last_key - t.first_key + 31) / 32, end = t.last_key;
    t.first_key += m.thread() % 32 * each;
    t.last_key = t.first_key + each < end ? t.first_key + each : end;
    bool sees = false, misses = false;
    for (index_t n = 0; n < heads && t.first_key < t.last_key; ++n) {
      t.head = head_of(n);
      coverage const one = judge(t);
      sees = sees || one != coverage::none, misses = misses || one != coverage::all;
    }
    bool const some = m.any_of_warp(misses);
    return !m.any_of_warp(sees) ? coverage::none : some ? coverage::some : coverage::all;
  }
}

/// Rows of one key head of one sequence. Row n is query n / group of head n % group, so that few queries of many heads
/// fill a block too. Here n counts from the first row of the block, in 32-bit numbers, which divide fast.
struct rows_of_block {
  int batch = 0;
  index_t kv_head = 0;
  unsigned count = 0, group = 1, before = 0;                     // before: rows of the first query in earlier blocks
  index_t low = 0, high = 0;                                     // the queries of the first row and of the last

  BASIN_DEVICE index_t query(unsigned n) const { return low + (before + n) / group; }
  BASIN_DEVICE int head(unsigned n) const {
    return static_cast<int>(static_cast<unsigned>(kv_head) * group + (before + n) % group);
  }

  /// How much of keys [from, to) is visible to the queries of the block, in a sequence of `keys` keys.
  template <class M, class Call>
  BASIN_DEVICE coverage seen(M const& m, Call const& c, index_t keys, index_t from, index_t to) const {
    index_t const earlier = keys - c.p.queries, last = to < keys ? to : keys;
    auto const head_of = [&](index_t n) {
      return low == high ? head(static_cast<unsigned>(n)) : static_cast<int>(kv_head * group + n);
    };
    coverage const all = left_of(m, c, {batch, 0, low + earlier, high + earlier + 1, from, last},
                                 low == high ? count : group, head_of);
    return all == coverage::all && to > keys ? coverage::some : all;
  }
};

/// The position of one row of a lane; query 0 where the block has no such row.
struct row_of_lane {
  int batch = 0, head = 0;
  index_t query = 0, position = 0;

  static BASIN_DEVICE row_of_lane of(int batch, int head, index_t query, index_t queries, index_t keys) {
    return {batch, head, query, query + keys - queries};
  }
  BASIN_DEVICE pair_at<float> pair(index_t key, float rsqrt_dim) const {
    return {batch, head, static_cast<float>(position), static_cast<float>(key), rsqrt_dim};
  }
};

/// A score, and whether the key is visible to the query.
struct seen_score {
  float score;
  bool seen;
};

/// <q, k> -> s, -inf where the key is hidden. A fully visible tile needs no test; its scores may still be -inf, if the
/// product or the score function gives that.
template <class Call>
BASIN_DEVICE seen_score score_of(Call const& c, index_t keys, row_of_lane const& row, index_t key, coverage seen,
                                 float dot) {
  if (seen == coverage::all) return {c.use.score.score(dot, row.pair(key, c.rsqrt_dim)), true};
  coord const at{row.batch, row.head, row.position, key};
  bool const visible = key < keys && c.use.visible.allows(at);
  float const s = visible ? c.use.score.score(dot, row.pair(key, c.rsqrt_dim)) : math::minus_inf<float>();
  bool const kept = visible && c.use.prune.keeps(at, s);
  return {kept ? s : math::minus_inf<float>(), kept};
}

/// One pair in the backward pass: its score and its weight. A hidden pair has weight 0.
template <class N>
struct weighed_pair {
  float score = math::minus_inf<float>(), weight = 0.0f;
  bool seen = false;

  BASIN_DEVICE bool weighs() const { return seen && score != math::minus_inf<float>(); }
};

/// In a fully visible tile, weights are computed from products without a test of the score: a score of -inf gives a
/// weight of 0, and a Jacobian of weights is 0 there.
template <class Call>
BASIN_DEVICE auto weighed(Call const& c, kept_row<typename Call::normalizer_type> const& kept, index_t keys,
                          row_of_lane const& row, index_t key, coverage seen, float dot) {
  using N = typename Call::normalizer_type;
  if constexpr (Call::terms_of_products && has_jacobian_of_weights<N>) {
    float const score = c.use.score.score(dot, row.pair(key, c.rsqrt_dim));
    float const slope = kept.line.slope * c.use.score.factor(c.rsqrt_dim);
    float const weight = math::exp2(math::fma(slope, dot, -kept.line.offset));
    if (seen == coverage::all || score_of(c, keys, row, key, seen, dot).seen)
      return weighed_pair<N>{score, weight, true};
    return weighed_pair<N>{};
  } else {
    auto const [score, is_seen] = score_of(c, keys, row, key, seen, dot);
    return weighed_pair<N>{score, weight_in<N>(c.use.normalize, kept, score), is_seen};
  }
}

/// The gradient ds of the score, from the gradient of the weight.
template <class Call>
BASIN_DEVICE float score_gradient_of(Call const& c, kept_row<typename Call::normalizer_type> const& kept,
                                     typename Call::delta_type const& delta,
                                     weighed_pair<typename Call::normalizer_type> const& pair, float dweight) {
  using N = typename Call::normalizer_type;
  bool const weighs = Call::terms_of_products && has_jacobian_of_weights<N> ? pair.seen : pair.weighs();
  if (!weighs) return 0.0f;
  return score_gradient(as_low_rank(c.use.normalize.jacobian(kept.row, pair.score, pair.weight)), dweight, delta);
}

/// The gradient of <q, k> from ds, without factor_of_dots().
template <class Call>
BASIN_DEVICE float dot_gradient(Call const& c, row_of_lane const& row, index_t key, float dot, float ds) {
  if constexpr (linear_scorer<decltype(c.use.score)>) return ds;
  else return ds == 0.0f ? ds : ds * c.use.score.slope(dot, row.pair(key, c.rsqrt_dim));  // a hidden dot may be NaN
}
/// The factor of all gradients of <q, k>, applied to their finished sums.
template <class Call>
BASIN_DEVICE float factor_of_dots(Call const& c) {
  if constexpr (linear_scorer<decltype(c.use.score)>) return c.use.score.factor(c.rsqrt_dim);
  else return 1.0f;
}

}  // namespace basin::gpu::detail
