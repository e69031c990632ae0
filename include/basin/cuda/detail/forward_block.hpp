// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The forward pass of one block of queries: weights and O = W V. Online normalizers take one pass; others take several,
// the last of which computes weights and outputs.

#include "basin/concepts/row_stages.hpp"
#include "basin/cuda/detail/query_block.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
class forward_block {
 public:
  using block_type = query_block<M, Call>;
  using N = typename Call::normalizer_type;
  using watch_type = typename Call::watch_type;
  using row_type = typename block_type::row_type;
  using scores_type = typename Call::scores_type;
  static constexpr auto streams = plan_forward<typename Call::attention_type>() != strategy::sweeps;

  BASIN_DEVICE forward_block(M const& m, Call const& call, index_t block)
      : at(m, call, block), watch(call.use.observe) {
    at.fetch_rows(0, call.q);
  }

  static index_t blocks(Call const& c) { return block_type::blocks(c); }

  BASIN_DEVICE void run() {
    make_rows();
    if constexpr (streams && watch_type::row_values > 0 && !watch_type::rescales) watch_again();
    if constexpr (tiles_of<M, Call>::computes) finish();
  }

 protected:
  /// Computes the rows and unnormalised outputs.
  BASIN_DEVICE void make_rows() {
    if constexpr (streams) {
      at.count_keys();
      at.start();
      at.over_mixing(out, [&](scores_type& s) {
        raise(s);
        take_in(s);
      }, [&] { lower(); });
      at.merge_lanes();
    } else {
      at.count_measure_and_search();
      at.over_mixing(out, [&](scores_type& s) { take_in(s); }, [] {});
      if constexpr (has_terms<N>) at.merge_lanes();
    }
  }
  /// The observers' states of a row, merged over its four lanes.
  BASIN_DEVICE auto merged_states(int i) const {
    return over_row(at.m, states[i], [&](auto a, auto const& b) {
      watch.merge(a, b);
      return a;
    });
  }

  block_type at;
  watch_type watch;
  typename watch_type::template rows<float> states[2]{};
  sums_of_warp<Call::dim / 8> out;

 private:
  float lowered[2] = {1.0f, 1.0f};
  bool rose = false;                                             // whether the current tile raised a row of the warp

  /// Updates the running maxima by a tile. States of observers are rescaled here, outputs in lower().
  BASIN_DEVICE void raise(scores_type& s) {
    auto const& n = at.c.use.normalize;
    rose = false;
    at.raise(s, [&](int i, float by, [[maybe_unused]] row_type const& old) {
      if constexpr (watch_type::rescales) watch.rescale(states[i], by, watch.totals(states[i], n, old));
      lowered[i] = by, rose = true;
    });
  }
  BASIN_DEVICE void lower() {
    if (!rose) return;
    BASIN_UNROLL
    for (int tile = 0; tile < Call::dim / 8; ++tile) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) out[tile][e] *= lowered[e / 2];
    }
  }
  /// Turns scores into unnormalised weights and adds them to the rows and the observers' states.
  BASIN_DEVICE void take_in(scores_type& s) {
    constexpr int every = Call::cut.by_multiply_adds > 0 ? Call::cut.by_multiply_adds : 4 * Call::tiles + 1;
    BASIN_UNROLL
    for (int n = 0; n < 4 * Call::tiles; ++n) {
      int const i = n % 4 / 2;
      float& x = s[n / 4][n % 4];
      float const score = x;
      x = at.take_in(i, score, n % every == every - 1 ? exponential::by_multiply_adds : exponential::by_unit);
      if constexpr (watch_type::row_values > 0 && (!streams || watch_type::rescales)) show(i, score, x);
    }
  }
  BASIN_DEVICE void show(int i, float score, float term) {
    watch.template absorb<N>(states[i], seen_term<float>{term, at.log_of(i, score, term)});
  }
  /// Another pass, with complete rows.
  BASIN_DEVICE void watch_again() {
    at.template over_scores<sweep::scores>([&](scores_type& s) {
      at.each(s, [&](int i, int, float score) { show(i, score, at.term(i, score)); });
    });
  }
  /// Writes outputs and kept rows, and calls observers of rows.
  BASIN_DEVICE void finish() {
    auto const& c = at.c;
    auto const& n = c.use.normalize;
    int const t = at.m.thread() % 4;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      auto const& mine = at.mine[i];
      float const factor = at.factor(i);
      auto const state = merged_states(i);
      if (!at.here[i]) continue;
      if (t == 0) {
        if (c.kept != nullptr) c.kept_at(mine.batch, mine.head, mine.query) = keep_row(n, at.row[i], factor);
        float log_sum = 0.0f;
        if constexpr (watch_type::needs_log_sum) log_sum = log_sum_of<float>(n, at.row[i]);
        watch.sees_row({mine.batch, mine.head, mine.query},
                       watch.report(state, factor, log_sum, watch.totals(state, n, at.row[i])));
      }
      write_row(at.m, out, i, c.p.value_dim, factor, &c.out(mine.batch, mine.head, mine.query, 0), c.out.stride(3));
    }
  }
};

}  // namespace basin::gpu::detail
