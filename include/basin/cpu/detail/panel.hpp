// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A panel is a query tile: up to `width` queries of one head, one query in each SIMD lane. Every statistic of a row is
// then a vertical operation, so any normalizer and any observer runs exactly on the scores [keys, width].

#include <cmath>
#include <span>

#include "basin/attention.hpp"
#include "basin/concepts/observation.hpp"
#include "basin/cpu/detail/lanes.hpp"
#include "basin/cpu/detail/product.hpp"
#include "basin/cpu/detail/workspace.hpp"

namespace basin::cpu::detail {

/// Keys [first, first + count); their scores are rows [row, row + count) of the tile. Keys that no query of the tile
/// may see have no rows.
struct key_block {
  index_t first = 0, count = 0, row = 0;
  coverage seen = coverage::all;
};

/// The most blocks that a tile can need: one for each block of keys, and one more for every change between steps.
constexpr index_t blocks_at_most(problem const& p, tuning const& cut) {
  index_t const step = std::min(cut.keys_per_step, cut.keys_per_block);
  return p.keys / cut.keys_per_block + p.keys / step + 2;
}

/// How many of the keys [from, to) are visible to the queries of a tile.
template <class Attention>
coverage seen_of(Attention const& use, problem const& p, panel_at at, index_t from, index_t to) {
  tile const t{at.batch, at.head, p.position(at.first), p.position(at.first + at.count - 1) + 1, from, to};
  coverage const seen = use.visible.covers(t);
  return seen == coverage::none ? seen : both(seen, kept(use.prune, t));
}

/// Whether the policies hide no key in any call.
template <class Attention>
inline constexpr bool hides_nothing = std::is_same_v<std::remove_cv_t<decltype(Attention::visible)>, unmasked>&&
    std::is_same_v<std::remove_cv_t<decltype(Attention::prune)>, keep_all>;

/// The keys among [first, last) that are visible to the queries of a tile. Blocks of `keys_per_block` start at key 0
/// for every tile. A partly visible block is cut into steps, and steps that are hidden from all queries are skipped.
template <class Attention>
std::span<key_block const> visible_blocks(Attention const& use, problem const& p, panel_at at, tuning const& cut,
                                          key_block* blocks, index_t first, index_t last) {
  std::size_t n = 0;
  index_t row = 0;
  auto const put = [&](index_t from, index_t to, coverage seen, bool joins) {
    if (seen == coverage::none) return;
    if (joins && n > 0 && blocks[n - 1].seen == seen && blocks[n - 1].first + blocks[n - 1].count == from)
      blocks[n - 1].count += to - from;
    else blocks[n++] = {from, to - from, row, seen};
    row += to - from;
  };
  for (index_t key = first; key < last;) {
    index_t const end = std::min(last, (key / cut.keys_per_block + 1) * cut.keys_per_block);
    coverage const whole = seen_of(use, p, at, key, end);
    if (whole != coverage::some || end - key <= cut.keys_per_step) put(key, end, whole, false);
    else
      for (index_t from = key; from < end; from += cut.keys_per_step) {
        index_t const to = std::min(end, from + cut.keys_per_step);
        put(from, to, seen_of(use, p, at, from, to), from > key);
      }
    key = end;
  }
  return {blocks, n};
}

/// One panel of Vectors * lanes queries in value type T.
template <class T, int Vectors, class Attention>
struct panel {
  using value_type = T;
  using batch = simd<T>;
  using watch_type = observation<decltype(Attention::observe)>;
  using normalizer_type = decltype(Attention::normalize);
  using states_type = typename watch_type::template rows<batch>[Vectors];
  static constexpr int vectors = Vectors;
  static constexpr index_t width = Vectors * lanes<T>;
  static constexpr auto scores_are_products = linear_scorer<decltype(Attention::score)>;

  Attention const& use;
  watch_type const& watch;
  problem const& p;
  panel_at at;
  T rsqrt_dim;
  batch positions[Vectors];                                      // logical positions of the queries
  alignas(64) T visible[width] = {};                             // number of keys visible to each query
  double* queries_of_keys = nullptr;  // where hide() counts the queries of each key, `count_step` numbers apart
  index_t count_step = 0;

  panel(Attention const& a, watch_type const& w, problem const& call, panel_at where)
      : use(a), watch(w), p(call), at(where), rsqrt_dim(T(1) / std::sqrt(static_cast<T>(call.dim))) {
    for (int v = 0; v < Vectors; ++v)
      positions[v] = batch(static_cast<T>(p.position(at.first) + v * lanes<T>)) + lane_numbers<T>();
  }

  /// Sets where hide() counts the queries of each key, `step` numbers apart.
  void count_from(double* counts, index_t step) { queries_of_keys = counts, count_step = step; }
  batch query(int v) const { return positions[v]; }
  pair_at<batch> pair(int v, index_t key) const {
    return {at.batch, at.head, query(v), batch(static_cast<T>(key)), batch(rsqrt_dim)};
  }
  /// The factor that q is multiplied by when it is packed: the whole scale, if the score is linear.
  T packed_factor() const {
    if constexpr (linear_scorer<decltype(use.score)>) return use.score.factor(rsqrt_dim);
    else return T(1);
  }

  /// <q_i, k_j> (times packed_factor) for `count` keys, into `dots` [count, width].
  template <class Meanwhile = nothing, class Sees = unseen>
  void multiply(row_block<T> keys, index_t count, T const* packed_q, T* dots, Meanwhile const& meanwhile = {},
                Sees const& sees = {}) const {
    product<Vectors, into::overwritten>(keys.start, keys.step, unit_step{}, count, all_terms{p.dim}, packed_q, width,
                                        dots, width, meanwhile, sees);
  }
  /// dots -> s_ij, in place or not.
  void score(key_block block, T const* dots, T* scores) const {
    if constexpr (!linear_scorer<decltype(use.score)>)
      for (index_t r = 0; r < block.count; ++r)
        for (int v = 0; v < Vectors; ++v) {
          T* const to = scores + r * width + v * lanes<T>;
          use.score.score(batch::load_aligned(dots + r * width + v * lanes<T>), pair(v, block.first + r))
              .store_aligned(to);
        }
  }
  /// Writes -inf for hidden keys, and counts the visible ones.
  void hide(key_block block, T* scores) {
    if (block.seen == coverage::all) {
      for (T& count : visible) count += static_cast<T>(block.count);
      for (index_t r = 0; r < block.count; ++r) count_queries(block.first + r, at.count);
      return;
    }
    coord c{at.batch, at.head, 0, 0};
    for (index_t r = 0; r < block.count; ++r) {
      c.key = block.first + r;
      index_t queries = 0;
      for (index_t lane = 0; lane < width; ++lane) {
        T& s = scores[r * width + lane];
        c.query = p.position(at.first + lane);
        bool const sees = lane < at.count && use.visible.allows(c) && use.prune.keeps(c, s);
        visible[lane] += sees ? T(1) : T(0);
        queries += sees;
        s = sees ? s : -std::numeric_limits<T>::infinity();
      }
      count_queries(c.key, queries);
    }
  }

  row_context<batch> context(int v) const {
    return {at.batch, at.head, query(v), batch::load_aligned(visible + v * lanes<T>)};
  }
  row_context<T> context_of_lane(index_t lane) const {
    return {at.batch, at.head, static_cast<T>(p.position(at.first + lane)), visible[lane]};
  }

 private:
  void count_queries(index_t key, index_t queries) const {
    if constexpr (watch_type::counts_queries)
      if (queries_of_keys != nullptr) queries_of_keys[key * count_step] += static_cast<double>(queries);
  }
};

}  // namespace basin::cpu::detail
