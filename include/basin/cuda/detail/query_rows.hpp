// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The rows of a block of queries as a lane holds them: two rows, each with a part of its state, from the lane's own
// columns. exponent_rows.hpp and state_rows.hpp update that state.

#include "basin/concepts/row_stages.hpp"
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
  index_t keys_of_sequence;
  row_of_lane mine[2];                                           // rows g and g + 8 of the warp's 16, g = lane / 4
  bool here[2] = {};                                             // whether there is a query
  float visible[2] = {};
  row_type row[2];

  BASIN_DEVICE query_rows(M const& machine, Call const& call, index_t block) : m(machine), c(call) {
    index_t const group = c.group(), all = c.p.queries * group, blocks = (all + Call::rows - 1) / Call::rows;
    // The last queries, which may have the most visible keys, come first.
    index_t const head = block / blocks, first = (blocks - 1 - block % blocks) * Call::rows;
    rows = {static_cast<int>(head / c.p.kv_heads),
            head % c.p.kv_heads,
            static_cast<unsigned>(all - first < Call::rows ? all - first : Call::rows),
            static_cast<unsigned>(group),
            static_cast<unsigned>(first % group),
            first / group,
            0};
    rows.high = rows.query(rows.count - 1);
    keys_of_sequence = length_of(c.k, rows.batch);
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      unsigned const n = static_cast<unsigned>(m.thread() / 32 * 16 + m.thread() % 32 / 4 + 8 * i);
      here[i] = n < rows.count;
      mine[i].batch = rows.batch;
      if (here[i]) mine[i] = row_of_lane::of(rows.batch, rows.head(n), rows.query(n), c.p.queries, keys_of_sequence);
    }
  }

  /// The number of blocks of a call.
  static index_t blocks(Call const& c) {
    index_t const all = c.p.queries * (c.p.heads / c.p.kv_heads);
    return c.p.batch * c.p.kv_heads * ((all + Call::rows - 1) / Call::rows);
  }

  /// Calls f(row of the lane, column, number) for all numbers of a lane.
  template <class Scores, class F>
  BASIN_DEVICE void each(Scores& s, F const& f) const {
    int const t = m.thread() % 4;
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) f(e / 2, 8 * n + 2 * t + e % 2, s[n][e]);
    }
  }

  /// Calls f(row of the lane, column, number, number beside it) for all numbers of a lane.
  template <class F>
  BASIN_DEVICE void each(scores_type& s, scores_type& beside, F const& f) const {
    int const t = m.thread() % 4;
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) f(e / 2, 8 * n + 2 * t + e % 2, s[n][e], beside[n][e]);
    }
  }

  /// Counts the visible keys of a tile.
  BASIN_DEVICE void count(scores_type const& s, index_t first, coverage seen) {
    each(s, [&](int i, int column, float x) {
      auto const [score, is_seen] = score_of(c, keys_of_sequence, mine[i], first + column, seen, x);
      visible[i] += is_seen ? 1.0f : 0.0f;
    });
  }

  /// A row before its first score.
  BASIN_DEVICE row_type started(int i) const {
    float const position = static_cast<float>(mine[i].position);
    return start_row(c.use.normalize, row_context<float>{mine[i].batch, mine[i].head, position, visible[i]});
  }
  static BASIN_DEVICE bool hidden(float s) { return s == math::minus_inf<float>(); }

  /// The normalising factor of a finished row.
  BASIN_DEVICE float factor(int i) const {
    if constexpr (has_terms<N>) return c.use.normalize.factor(row[i]);
    else return 1.0f;
  }
};

}  // namespace basin::gpu::detail
