// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Rows of a normalizer that is not exponential: every score is passed to the normalizer's own hooks.

#include "basin/concepts/row_stages.hpp"
#include "basin/cuda/detail/exponential.hpp"
#include "basin/cuda/detail/query_rows.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
struct state_rows : query_rows<M, Call> {
  using base = query_rows<M, Call>;
  using typename base::N;
  using typename base::row_type;
  using typename base::scores_type;
  using base::m, base::c, base::keys_of_sequence, base::mine, base::row;
  using base::each, base::hidden, base::started;

  BASIN_DEVICE state_rows(M const& machine, Call const& call, index_t block) : base(machine, call, block) {}

  /// Turns the products of a tile into scores, -inf where a key is hidden.
  BASIN_DEVICE void judge(scores_type& s, index_t first, coverage seen) const {
    if (seen == coverage::all) judge_as<coverage::all>(s, first);
    else judge_as<coverage::some>(s, first);
  }

  /// The unnormalised weight of a score of a tile after judge(), and its logarithm.
  BASIN_DEVICE float term(int i, float x) const { return hidden(x) ? 0.0f : c.use.normalize.term(row[i], x); }
  BASIN_DEVICE float log_of(int i, float x, float of_term) const {
    return hidden(x) ? x : log_of_term(c.use.normalize, row[i], x, of_term);
  }

  /// Adds a score of a tile after judge() to its row. Returns the unnormalised weight, or the weight.
  BASIN_DEVICE float take_in(int i, float score, exponential = exponential::by_unit) {
    auto const& n = c.use.normalize;
    if constexpr (has_terms<N>) {
      float const term = hidden(score) ? 0.0f : n.term(row[i], score);
      n.add(row[i], score, term);
      return term;
    } else {
      return hidden(score) ? 0.0f : n.weight(row[i], score);
    }
  }

  /// Updates the running maxima of both rows by a tile after judge(). Calls raised(row, factor of earlier sums, row
  /// before) for each.
  template <class Raised>
  BASIN_DEVICE void raise(scores_type const& s, Raised const& raised) {
    auto const& n = c.use.normalize;
    row_type part[2] = {started(0), started(1)};
    each(s, [&](int i, int, float x) { n.raise(part[i], x); });
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      row_type const old = row[i];
      n.merge(row[i], merged_over_row(m, n, part[i]));
      raised(i, n.rescale(old, row[i]), old);
    }
  }
  /// Updates the part of both rows that this lane holds.
  BASIN_DEVICE void raise_part(scores_type const& s) {
    each(s, [&](int i, int, float x) { c.use.normalize.raise(row[i], x); });
  }
  BASIN_DEVICE void start() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = started(i);
  }
  /// Merges the parts of the four lanes of each row.
  BASIN_DEVICE void merge_lanes() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = merged_over_row(m, c.use.normalize, row[i]);
  }

 private:
  template <coverage Seen>
  BASIN_DEVICE void judge_as(scores_type& s, index_t first) const {
    each(s, [&](int i, int column, float& x) {
      x = score_of(c, keys_of_sequence, mine[i], first + column, Seen, x).score;
    });
  }
};

}  // namespace basin::gpu::detail
