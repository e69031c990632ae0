// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A block of queries and its rows: passes over the keys, tile by tile, with S = Q K^T, and the stages of a row (count,
// measure, search, sum). Forward and backward passes share it.

#include "basin/concepts/row_stages.hpp"
#include "basin/cuda/detail/exponent_rows.hpp"
#include "basin/cuda/detail/state_rows.hpp"
#include "basin/cuda/detail/tiles.hpp"

namespace basin::gpu::detail {

/// The purpose of a pass: to count visible keys, to compute scores, or to use the values as well.
enum class sweep { counts, scores, values };

template <class M, class Call>
using rows_of = std::conditional_t<exponential_normalizer<typename Call::normalizer_type>, exponent_rows<M, Call>,
                                   state_rows<M, Call>>;

/// Queries are resident tile 0 (dO is 1), keys and values are streamed.
template <class M, class Call>
struct query_block : rows_of<M, Call> {
  using rows_type = rows_of<M, Call>;
  using N = typename Call::normalizer_type;
  using typename rows_type::row_type;
  using typename rows_type::scores_type;
  using rows_type::m, rows_type::c, rows_type::rows, rows_type::keys_of_sequence, rows_type::mine, rows_type::here;
  using rows_type::visible, rows_type::row;
  using rows_type::each, rows_type::judge, rows_type::count, rows_type::start, rows_type::raise, rows_type::take_in;
  using rows_type::merge_lanes;

  tiles_of<M, Call> tiles;
  index_t first_key = 0, last_key;                               // the keys of this block: all, unless they are split

  BASIN_DEVICE query_block(M const& machine, Call const& call, index_t block)
      : rows_type(machine, call, block), tiles(machine, call) {
    last_key = keys_of_sequence;
  }

  /// Loads the rows of this block from a tensor of the shape of q.
  BASIN_DEVICE void fetch_rows(int n, view<typename Call::element const, 4> const& from) const {
    tiles.fetch_own(n, from, [&](unsigned r) { return r < rows.count; },
                    [&](unsigned r) { return &from(rows.batch, rows.head(r), rows.query(r), 0); });
  }

  /// Calls meet(first key, coverage) for every tile of keys that is visible to a query of the block.
  template <sweep For, class Meet>
  BASIN_DEVICE void over_tiles(Meet const& meet) {
    constexpr int tensors = For == sweep::values ? 2 : 1;
    tiles.template over<tensors>(c.k, c.v, {rows.batch, rows.kv_head, keys_of_sequence}, first_key, last_key,
                                 [&](index_t from) { return next(from); },
                                 [&](index_t first) { meet(first, seen(first)); });
  }
  /// The same with the scores of the tile: meet(scores).
  template <sweep For, class Meet>
  BASIN_DEVICE void over_scores(Meet const& meet) {
    over_tiles<For>([&](index_t first, coverage seen) {
      scores_type s = tiles.product(0);
      judge(s, first, seen);
      meet(s);
    });
  }
  /// The pass that computes outputs: weigh(scores) turns scores into weights, lower() rescales `sums`, and then the
  /// weighted values are added.
  template <class Weigh, class Lower>
  BASIN_DEVICE void over_mixing(sums_of_warp<Call::dim / 8>& sums, Weigh const& weigh, Lower const& lower) {
    auto const judge_and_weigh = [&](index_t first, scores_type& s) {
      judge(s, first, seen(first));
      weigh(s);
    };
    tiles.over_mixing(c.k, c.v, {rows.batch, rows.kv_head, keys_of_sequence}, first_key, last_key,
                      [&](index_t from) { return next(from); }, sums, judge_and_weigh, lower);
  }

  /// Counts the visible keys of each row, where the start of a row needs them. Fully visible tiles need no product.
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
  /// All stages but the sum, each in passes of its own.
  BASIN_DEVICE void count_measure_and_search() {
    count_keys();
    start();
    if constexpr (raises_rows<N>) {
      over_scores<sweep::scores>([&](scores_type& s) { this->raise_part(s); });
      merge_lanes();
    }
    if constexpr (sweeps_rows<N>) search();
  }
  /// Finishes the rows, without outputs.
  BASIN_DEVICE void finish_rows() {
    if constexpr (plan_forward<typename Call::attention_type>() != strategy::sweeps) {
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
  BASIN_DEVICE coverage seen(index_t first) const {
    return rows.seen(m, c, keys_of_sequence, first, first + Call::cut.columns);
  }
  /// The first key of the next tile, from `from` on, with a visible key.
  BASIN_DEVICE index_t next(index_t from) const {
    while (from < last_key && seen(from) == coverage::none) from += Call::cut.columns;
    return from;
  }
  /// Repeats passes until next() returns false for every row of the block. Converged rows do not change in the passes
  /// of others.
  BASIN_DEVICE void search() {
    auto const& n = c.use.normalize;
    bool again[2] = {tiles_of<M, Call>::computes && here[0], tiles_of<M, Call>::computes && here[1]};
    row_type swept[2];
    auto const begin = [&] {
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) begin_search(n, row[i]);
    };
    auto const pass = [&](auto const& step) {
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) swept[i] = row[i];
      over_scores<sweep::scores>([&](scores_type& s) {
        each(s, [&](int i, int, float x) { step(swept[i], x); });
      });
    };
    auto const next = [&] {
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) {
        row_type whole = merged_over_row(m, n, swept[i]);
        if (!again[i]) continue;
        again[i] = n.next(whole);
        row[i] = whole;
      }
      return m.any(again[0] || again[1]);
    };
    search_thresholds(n, begin, pass, next);
  }
};

}  // namespace basin::gpu::detail
