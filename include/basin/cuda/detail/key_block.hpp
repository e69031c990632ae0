// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A block of keys in a pass over all queries of a head whose rows are finished. S^T = K Q^T has one key in each row, so
// all sums run along rows, in order, and no two threads add to one number. Observers of keys and the backward pass use
// it.

#include "basin/cuda/detail/call.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
struct key_block {
  using E = typename Call::element;
  using watch_type = typename Call::watch_type;
  static constexpr int columns = Call::cut.columns;
  static constexpr auto values = watch_type::key_values;

  /// The values that the two keys of a lane received from one query head, and the number of queries to which they are
  /// visible.
  struct totals {
    cuda::std::array<double, values> given{};
    double queries = 0;
  };

  M const& m;
  Call const& c;
  watch_type watch;
  int batch, head = 0;
  tiles_of<M, Call> tiles;
  index_t kv_head, keys, first, key[2];                          // keys: of the sequence; first: of the block
  totals sums[2];
  float seen_of_tile[2] = {};
  cuda::std::array<float, values> given_of_tile[2]{};

  /// `heads`: the number of heads that have blocks, key heads or query heads.
  BASIN_DEVICE key_block(M const& machine, Call const& call, index_t block, index_t heads)
      : m(machine), c(call), watch(call.use.observe), tiles(machine, call) {
    index_t const blocks = (c.p.keys + Call::rows - 1) / Call::rows, of_all = block / blocks;
    batch = static_cast<int>(of_all / heads), head = static_cast<int>(of_all % heads * (c.p.heads / heads));
    kv_head = c.p.kv_head(head), keys = length_of(c.k, batch), first = block % blocks * Call::rows;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) key[i] = first + m.thread() / 32 * 16 + m.thread() % 32 / 4 + 8 * i;
  }

  static index_t blocks(Call const& c, index_t heads) {
    return c.p.batch * heads * ((c.p.keys + Call::rows - 1) / Call::rows);
  }

  /// Loads the rows of this block from a tensor of the shape of k.
  template <class Keys>
  BASIN_DEVICE void fetch_keys(int n, Keys const& from) const {
    tiles.fetch_own(n, from, [&](int r) { return first + r < keys; },
                    [&](int r) { return row_of_key(from, batch, kv_head, first + r, keys); });
  }

  /// Calls meet(first query, coverage) for every tile of queries of the current head that is not hidden from the block,
  /// with the first Count of q and `beside` in shared memory.
  template <int Count, class Meet>
  BASIN_DEVICE void over_queries(view<E const, 4> const& beside, Meet const& meet) {
    auto const next = [&](index_t from) {
      while (from < c.p.queries && seen(from) == coverage::none) from += columns;
      return from;
    };
    tiles.template over<Count>(c.q, beside, {batch, head, c.p.queries}, 0, c.p.queries, next, [&](index_t at) {
      meet(at, seen(at));
      take_tile();
    });
  }
  /// Calls f(row of the lane, n, e, query, known) for all numbers of a lane that have a query: number e of tile n.
  /// `known` is of(row of the call), computed once for both rows. Calls without(n, e) for the others.
  template <class Of, class F, class Without>
  BASIN_DEVICE void each_query(index_t from, coverage seen, Of const& of, F const& f, Without const& without) const {
    index_t const mine = from + 2 * (m.thread() % 4), first_row = c.row(batch, head, mine);
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 2; ++e)
        if (index_t const query = mine + (8 * n + e); seen == coverage::all || query < c.p.queries) {
          auto const row = row_of_lane::of(batch, head, query, c.p.queries, keys);
          auto const known = of(first_row + (8 * n + e));
          f(0, n, e, row, known);
          f(1, n, e + 2, row, known);
        } else {
          without(n, e), without(n, e + 2);
        }
    }
  }

  /// Adds the weight of a pair to key i, for observers. In a fully visible tile, queries are counted by counted().
  template <coverage Seen>
  BASIN_DEVICE void give(int i, weighed_pair<typename Call::normalizer_type> const& pair) {
    if constexpr (values > 0)
      if (pair.seen) {
        if constexpr (Seen != coverage::all) seen_of_tile[i] += 1.0f;
        auto const one = watch.gives(pair.weight);
        for (std::size_t n = 0; n < values; ++n) given_of_tile[i][n] += one[n];
      }
  }
  template <coverage Seen>
  BASIN_DEVICE void counted() {
    if constexpr (values > 0 && Seen == coverage::all)
      seen_of_tile[0] += 2 * Call::tiles, seen_of_tile[1] += 2 * Call::tiles;
  }
  /// Reports what the keys received from the current head, and resets the sums.
  BASIN_DEVICE void tell_keys() {
    if constexpr (values > 0 && tiles_of<M, Call>::computes) {
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) {
        auto const given = sum_over_row(m, sums[i].given);
        double const queries = over_row(m, sums[i].queries, [](double a, double b) { return a + b; });
        if (m.thread() % 4 == 0 && key[i] < c.p.keys) watch.sees_key({batch, head, key[i]}, given, queries);
        sums[i] = {};
      }
    }
  }

 private:
  /// Adds the sums of a tile, in single precision, to the sums in double.
  BASIN_DEVICE void take_tile() {
    if constexpr (values > 0) {
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) {
        sums[i].queries += static_cast<double>(seen_of_tile[i]);
        for (std::size_t n = 0; n < values; ++n) sums[i].given[n] += static_cast<double>(given_of_tile[i][n]);
        seen_of_tile[i] = 0.0f, given_of_tile[i] = {};
      }
    }
  }
  /// How much of a tile is visible; never `all` where queries or keys end in it.
  BASIN_DEVICE coverage seen(index_t from) const {
    if (first >= keys) return coverage::none;
    index_t const to = from + columns < c.p.queries ? from + columns : c.p.queries;
    index_t const last = first + Call::rows < keys ? first + Call::rows : keys, before = keys - c.p.queries;
    coverage const all =
        left_of(m, c, {batch, head, from + before, to + before, first, last}, 1, [&](index_t) { return head; });
    return all == coverage::all && (from + columns > to || first + Call::rows > last) ? coverage::some : all;
  }
};

}  // namespace basin::gpu::detail
