// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A panel: up to `width` queries of one head, one query a lane, against every key they may see. Its scores [keys, width] stay
// in the L2 cache between the product that makes them and the product that uses them, so any normalizer and any observer
// runs on them exactly, and <q, k> is never computed twice. Queries in lanes make every statistic of a row a vertical
// operation, and let k and v be read where they lie.

#include <cmath>
#include <span>

#include "basin/attention.hpp"
#include "basin/concepts/observation.hpp"
#include "basin/cpu/detail/product.hpp"
#include "basin/cpu/detail/workspace.hpp"

namespace basin::cpu::detail {

/// Which queries: rows [first, first + count) of q, of one head.
struct panel_at {
  int batch = 0, head = 0;
  index first = 0, count = 0;
};

/// Keys [first, first + count); their scores are rows [row, row + count) of the panel. Keys that nobody sees have no rows.
struct key_block {
  index first = 0, count = 0, row = 0;
  coverage seen = coverage::all;
};

/// The blocks among keys [first, last) that the queries of a panel may see.
template <class Attention>
std::span<key_block const> visible_blocks(Attention const& use, problem const& p, panel_at at, index keys_per_block, key_block* blocks, index first, index last) {
  std::size_t n = 0;
  index row = 0;
  for (index key = first; key < last; key += keys_per_block) {
    index const count = std::min(keys_per_block, last - key);
    tile const t{at.batch, at.head, p.position(at.first), p.position(at.first + at.count - 1) + 1, key, key + count};
    coverage seen = use.visible.covers(t);
    if (seen != coverage::none) seen = both(seen, kept(use.prune, t));
    if (seen == coverage::none) continue;
    blocks[n++] = {key, count, row, seen};
    row += count;
  }
  return {blocks, n};
}

/// Copies rows of q or dout into lanes: to[d * width + lane] = factor * from(row first + lane, d); missing lanes are 0.
template <class T, class View>
void pack_lanes(View const& from, panel_at at, index width, T factor, T* to) {
  for (index d = 0; d < from.extent(3); ++d)
    for (index lane = 0; lane < width; ++lane)
      to[d * width + lane] = lane < at.count ? factor * static_cast<T>(from(at.batch, at.head, at.first + lane, d)) : T(0);
}

/// One panel of Vectors * lanes queries in value type T.
template <class T, int Vectors, class Attention>
struct panel {
  using batch = simd<T>;
  using watch_type = observation<decltype(Attention::observe)>;
  using normalizer_type = decltype(Attention::normalize);
  using states_type = typename watch_type::template rows<batch>[Vectors];
  static constexpr index width = Vectors * lanes<T>;

  Attention const& use;
  watch_type const& watch;
  problem const& p;
  panel_at at;
  T rsqrt_dim;
  batch positions[Vectors];                                      // logical positions of the queries
  alignas(64) T visible[width] = {};                             // how many keys each query sees
  double* queries_of_keys = nullptr;                             // where hide() counts who sees each key, `count_step` numbers apart
  index count_step = 0;

  panel(Attention const& a, watch_type const& w, problem const& call, panel_at where)
      : use(a), watch(w), p(call), at(where), rsqrt_dim(T(1) / std::sqrt(static_cast<T>(call.dim))) {
    for (int v = 0; v < Vectors; ++v) positions[v] = batch(static_cast<T>(p.position(at.first) + v * lanes<T>)) + lane_numbers<T>();
  }

  batch query(int v) const { return positions[v]; }
  pair_at<batch> pair(int v, index key) const { return {at.batch, at.head, query(v), batch(static_cast<T>(key)), batch(rsqrt_dim)}; }
  /// What q is multiplied by when it is packed: all of the score, where the score is linear.
  T packed_factor() const {
    if constexpr (linear_scorer<decltype(use.score)>) return use.score.factor(rsqrt_dim);
    else return T(1);
  }

  /// <q_i, k_j> (times packed_factor) for one block, into `dots` [block.count, width].
  template <class K>
  void multiply(key_block block, T const* packed_q, K const& k, T* dots) const {
    product<Vectors, into::overwritten>(&k(at.batch, p.kv_head(at.head), block.first, 0), k.stride(2), k.stride(3), block.count, p.dim,
                                        packed_q, width, dots, width);
  }
  /// dots -> s_ij, in place or not.
  void score(key_block block, T const* dots, T* scores) const {
    if constexpr (!linear_scorer<decltype(use.score)>)
      for (index r = 0; r < block.count; ++r)
        for (int v = 0; v < Vectors; ++v) {
          T* const to = scores + r * width + v * lanes<T>;
          use.score.score(batch::load_aligned(dots + r * width + v * lanes<T>), pair(v, block.first + r)).store_aligned(to);
        }
  }
  /// -inf for what a query does not see, and a count of what it sees.
  void hide(key_block block, T* scores) {
    if (block.seen == coverage::all) {
      for (T& count : visible) count += static_cast<T>(block.count);
      for (index r = 0; r < block.count; ++r) count_queries(block.first + r, at.count);
      return;
    }
    coord c{at.batch, at.head, 0, 0};
    for (index r = 0; r < block.count; ++r) {
      c.key = block.first + r;
      index queries = 0;
      for (index lane = 0; lane < width; ++lane) {
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

  row_context<batch> context(int v) const { return {at.batch, at.head, query(v), batch::load_aligned(visible + v * lanes<T>)}; }
  row_context<T> context_of_lane(index lane) const {
    return {at.batch, at.head, static_cast<T>(p.position(at.first + lane)), visible[lane]};
  }

 private:
  void count_queries(index key, index queries) const {
    if constexpr (watch_type::counts_queries)
      if (queries_of_keys != nullptr) queries_of_keys[key * count_step] += static_cast<double>(queries);
  }
};

}  // namespace basin::cpu::detail
