// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The rows of a block of queries as a lane holds them: two rows, and of each what the lane's own columns have made of its state.

#include "basin/cuda/detail/call.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
struct query_rows {
  using N = typename Call::normalizer_type;
  using row_type = row_of<N, float>;
  using scores_type = typename Call::scores_type;

  M const& m;
  Call const& c;
  rows_of_block rows;
  index keys_of_sequence;
  row_of_lane mine[2];                                           // rows g and g + 8 of the warp's sixteen, g = lane / 4
  bool here[2] = {};                                             // whether there is a query
  float visible[2] = {};
  row_type row[2];

  BASIN_DEVICE query_rows(M const& machine, Call const& call, index block) : m(machine), c(call) {
    index const all = c.p.queries * c.group(), blocks = (all + Call::rows - 1) / Call::rows;
    index const head = block / blocks, tile = blocks - 1 - block % blocks;               // the last queries, who may see most, first
    rows = {static_cast<int>(head / c.p.kv_heads), head % c.p.kv_heads, tile * Call::rows, 0, c.group()};
    rows.count = all - rows.first < Call::rows ? all - rows.first : Call::rows;
    keys_of_sequence = length_of(c.k, rows.batch);
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      index const n = m.thread() / 32 * 16 + m.thread() % 32 / 4 + 8 * i;
      here[i] = n < rows.count;
      if (here[i]) mine[i] = row_of_lane::of(rows.batch, rows.head(n), rows.query(n), c.p.queries, keys_of_sequence);
    }
  }

  /// Blocks of a whole call.
  static index blocks(Call const& c) {
    index const all = c.p.queries * (c.p.heads / c.p.kv_heads);
    return c.p.batch * c.p.kv_heads * ((all + Call::rows - 1) / Call::rows);
  }

  /// f(row of the lane, column, number) for all numbers of a lane.
  template <class Scores, class F>
  BASIN_DEVICE void each(Scores& s, F const& f) const {
    int const t = m.thread() % 4;
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) f(e / 2, 8 * n + 2 * t + e % 2, s[n][e]);
    }
  }

  /// f(row of the lane, column, number, number beside it) for all numbers of a lane.
  template <class F>
  BASIN_DEVICE void each(scores_type& s, scores_type& beside, F const& f) const {
    int const t = m.thread() % 4;
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) f(e / 2, 8 * n + 2 * t + e % 2, s[n][e], beside[n][e]);
    }
  }

  BASIN_DEVICE row_type started(int i) const { return start_row(c.use.normalize, row_context<float>{mine[i].batch, mine[i].head, static_cast<float>(mine[i].position), visible[i]}); }
  static BASIN_DEVICE bool hidden(float s) { return s == math::minus_inf<float>(); }

  /// A score becomes a term or a weight, and its row takes it in.
  BASIN_DEVICE float take_in(int i, float score) {
    auto const& n = c.use.normalize;
    if constexpr (has_terms<N>) {
      float const term = hidden(score) ? 0.0f : n.term(row[i], score);
      n.add(row[i], score, term);
      return term;
    } else {
      return hidden(score) ? 0.0f : n.weight(row[i], score);
    }
  }
  /// Raises both rows by a tile of scores; raised(row, the row before) for each.
  template <class Raised>
  BASIN_DEVICE void raise(scores_type& s, Raised const& raised) {
    auto const& n = c.use.normalize;
    row_type part[2] = {started(0), started(1)};
    each(s, [&](int i, int, float x) { n.raise(part[i], x); });
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      row_type const old = row[i];
      n.merge(row[i], merged_over_row(m, n, part[i]));
      raised(i, old);
    }
  }
  BASIN_DEVICE void start() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = started(i);
  }
  BASIN_DEVICE void merge_lanes() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = merged_over_row(m, c.use.normalize, row[i]);
  }

  /// What terms of a finished row are multiplied by.
  BASIN_DEVICE float factor(int i) const {
    if constexpr (has_terms<N>) return c.use.normalize.factor(row[i]);
    else return 1.0f;
  }
};

}  // namespace basin::gpu::detail
