// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A block of queries and its rows: sweeps over the keys, tile by tile, S = Q K^T, and the stages that make a row (count, measure,
// search, sum). What forward and backward passes share.

#include "basin/cuda/detail/query_rows.hpp"
#include "basin/cuda/detail/tiles.hpp"

namespace basin::gpu::detail {

/// What a sweep is for: to count the keys that a row sees, for scores, or for what is made with values as well.
enum class sweep { counts, scores, values };

/// Queries are own tile 0 (dO is 1), keys and values pass by.
template <class M, class Call>
struct query_block : query_rows<M, Call> {
  using rows_type = query_rows<M, Call>;
  using typename rows_type::N;
  using typename rows_type::row_type;
  using typename rows_type::scores_type;
  using rows_type::m, rows_type::c, rows_type::rows, rows_type::keys_of_sequence, rows_type::mine, rows_type::here, rows_type::visible, rows_type::row;
  using rows_type::each, rows_type::judge, rows_type::count, rows_type::start, rows_type::raise, rows_type::raise_part, rows_type::take_in, rows_type::merge_lanes;

  tiles_of<M, Call> tiles;
  index_t first_key = 0, last_key;                               // the keys that this block meets: all, unless they are split

  BASIN_DEVICE query_block(M const& machine, Call const& call, index_t block) : rows_type(machine, call, block), tiles(machine, call) {
    last_key = keys_of_sequence;
  }

  /// The rows of this block from a tensor shaped as q.
  BASIN_DEVICE void fetch_rows(int n, view<typename Call::element const, 4> const& from) const {
    tiles.fetch_own(n, from, [&](unsigned r) { return r < rows.count; }, [&](unsigned r) { return &from(rows.batch, rows.head(r), rows.query(r), 0); });
  }

  /// Calls meet(first key, how much of the tile is seen) for every tile of keys that somebody of the block sees.
  template <sweep For, class Meet>
  BASIN_DEVICE void over_tiles(Meet const& meet) {
    tiles.template over<For == sweep::values ? 2 : 1>(c.k, c.v, {rows.batch, rows.kv_head, keys_of_sequence}, first_key, last_key, [&](index_t at) { return next(at); }, [&](index_t at) {
      meet(at, seen(at));
    });
  }
  /// The same with the judged tile: meet(scores).
  template <sweep For, class Meet>
  BASIN_DEVICE void over_scores(Meet const& meet) {
    over_tiles<For>([&](index_t first, coverage seen) {
      scores_type s = tiles.product(0);
      judge(s, first, seen);
      meet(s);
    });
  }
  /// The sweep that makes outputs: weigh(scores) makes weights of them, lower() rescales `sums`, to which the values are added in proportion.
  template <class Weigh, class Lower>
  BASIN_DEVICE void over_mixing(sums_of_warp<Call::dim / 8>& sums, Weigh const& weigh, Lower const& lower) {
    tiles.over_mixing(c.k, c.v, {rows.batch, rows.kv_head, keys_of_sequence}, first_key, last_key, [&](index_t at) { return next(at); }, sums, [&](index_t at, scores_type& s) {
      judge(s, at, seen(at));
      weigh(s);
    }, lower);
  }

  /// How many keys each row sees, where its start asks for it. Of tiles that are seen as a whole nothing is multiplied.
  BASIN_DEVICE void count_keys() {
    if constexpr (!starts_uncounted<N>) {
      over_tiles<sweep::counts>([&](index_t first, coverage seen) {
        if (seen == coverage::all) {
          for (float& one : visible) one += static_cast<float>(2 * Call::tiles);
        } else {
          scores_type const s = tiles.product(0);
          count(s, first, seen);
        }
      });
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) visible[i] = sum_over_row(m, visible[i]);
    }
  }
  /// All stages but the sum, each in sweeps of its own.
  BASIN_DEVICE void count_measure_and_search() {
    count_keys();
    start();
    if constexpr (raises_rows<N>) {
      over_scores<sweep::scores>([&](scores_type& s) { raise_part(s); });
      merge_lanes();
    }
    if constexpr (sweeps_rows<N>) search();
  }
  /// Finished rows, without anything made of them.
  BASIN_DEVICE void finish_rows() {
    if constexpr (plan_forward<typename Call::attention_type>() != way::sweeps) {
      count_keys();
      start();
      over_scores<sweep::scores>([&](scores_type& s) {
        raise(s, [](int, float, row_type const&) {});
        each(s, [&](int i, int, float x) { take_in(i, x); });
      });
      merge_lanes();
    } else {
      count_measure_and_search();
      if constexpr (has_terms<N>) {
        over_scores<sweep::scores>([&](scores_type& s) { each(s, [&](int i, int, float x) { take_in(i, x); }); });
        merge_lanes();
      }
    }
  }

 private:
  BASIN_DEVICE coverage seen(index_t at) const { return rows.seen(m, c, keys_of_sequence, at, at + Call::cut.columns); }
  /// The first tile from `at` on of which something is seen.
  BASIN_DEVICE index_t next(index_t at) const {
    while (at < last_key && seen(at) == coverage::none) at += Call::cut.columns;
    return at;
  }
  /// Sweeps until every row of the block is content; those that are take no part in the sweeps of others.
  BASIN_DEVICE void search() {
    auto const& n = c.use.normalize;
    bool again[2] = {tiles_of<M, Call>::computes && here[0], tiles_of<M, Call>::computes && here[1]};
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) begin_search(n, row[i]);
    do {
      row_type swept[2] = {row[0], row[1]};
      over_scores<sweep::scores>([&](scores_type& s) { each(s, [&](int i, int, float x) { n.absorb(swept[i], x); }); });
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) {
        row_type whole = merged_over_row(m, n, swept[i]);
        if (!again[i]) continue;
        again[i] = n.next(whole);
        row[i] = whole;
      }
    } while (m.any(again[0] || again[1]));
  }
};

}  // namespace basin::gpu::detail
