// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The backward pass of one block of queries. It finishes the rows again, unless the forward pass kept them, computes
// delta = sum_k carry_k dw_k of each, then dQ += dS K. Rows and deltas are stored for the blocks of keys.

#include "basin/concepts/jacobian.hpp"
#include "basin/concepts/parameters.hpp"
#include "basin/concepts/row_stages.hpp"
#include "basin/cuda/detail/query_block.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
class query_gradient_block {
 public:
  using block_type = query_block<M, Call>;
  using N = typename Call::normalizer_type;
  using watch_type = typename Call::watch_type;
  using scores_type = typename Call::scores_type;

  BASIN_DEVICE query_gradient_block(M const& m, Call const& call, index_t block)
      : at(m, call, block), watch(call.use.observe) {
    at.fetch_rows(0, call.q);
    at.fetch_rows(1, call.dout);
  }

  static index_t blocks(Call const& c) { return block_type::blocks(c); }

  BASIN_DEVICE void run() {
    make_rows();
    make_deltas();
    over_pairs([&](int i, auto const& pair, float dot, float& dw, index_t key) {
      if constexpr (watch_type::row_values > 0)
        watch.absorb(states[i], seen_term<float>{pair.weight, math::log(pair.weight)});
      float const ds = score_gradient_of(at.c, kept[i], delta[i], pair, dw);
      if constexpr (has_parameters<N>)
        if (pair.weighs()) add_parameters(i, pair, dw, ds);
      dw = dot_gradient(at.c, at.mine[i], key, dot, ds);
    }, [&](scores_type& ds) { at.tiles.mix(0, ds, dq); });
    if constexpr (tiles_of<M, Call>::computes) finish();
  }

 private:
  static constexpr bool rows_are_saved = requires(Call const& c) { c.made; };
  static constexpr std::size_t rank = jacobian_of<N, float>::rank;

  BASIN_DEVICE void make_rows() {
    if constexpr (!rows_are_saved) at.finish_rows();
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      auto const& mine = at.mine[i];
      if constexpr (!rows_are_saved) kept[i] = keep_row(at.c.use.normalize, at.row[i], at.factor(i));
      else if (at.here[i]) kept[i] = at.c.kept_at(mine.batch, mine.head, mine.query);
    }
  }
  BASIN_DEVICE void make_deltas() {
    if constexpr (rank == 0) return;
    if constexpr (rows_are_saved && carries_weights<N>) {
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i)
        if (at.here[i]) delta[i][0] = part_of_output_product(at.mine[i]);
    } else {
      over_pairs([&](int i, auto const& pair, float, float& dw, index_t) {
        if (!(pair.seen && (has_jacobian_of_weights<N> || pair.weighs()))) return;
        gather(delta[i], as_low_rank(at.c.use.normalize.jacobian(kept[i].row, pair.score, pair.weight)), dw);
      }, [](scores_type&) {});
    }
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) delta[i] = sum_over_row(at.m, delta[i]);
  }
  /// The part of <do, o> of this lane: every fourth column.
  BASIN_DEVICE float part_of_output_product(row_of_lane const& mine) const {
    float sum = 0.0f;
    for (index_t d = at.m.thread() % 4; d < at.c.p.value_dim; d += 4)
      sum = math::fma(static_cast<float>(at.c.dout(mine.batch, mine.head, mine.query, d)),
                      static_cast<float>(at.c.made(mine.batch, mine.head, mine.query, d)), sum);
    return sum;
  }
  /// Calls f(row of the lane, pair, <q, k>, dw, key) for all pairs of a lane; f changes dw. Then calls then(dw of the
  /// tile).
  template <class F, class Then>
  BASIN_DEVICE void over_pairs(F const& f, Then const& then) {
    at.template over_tiles<sweep::values>([&](index_t first, coverage seen) {
      auto made = at.tiles.both_products();
      auto& dots = made.first;
      auto& dw = made.second;
      auto const judged = [&](coverage known) {
        at.each(dots, dw, [&](int i, int column, float dot, float& one) {
          index_t const key = first + column;
          f(i, weighed(at.c, kept[i], at.keys_of_sequence, at.mine[i], key, known, dot), dot, one, key);
        });
      };
      if (seen == coverage::all) judged(coverage::all);
      else judged(coverage::some);
      then(dw);
    });
  }
  BASIN_DEVICE void add_parameters(int i, weighed_pair<N> const& pair, float dweight, float ds) {
    auto const one = at.c.use.normalize.parameter_gradient(kept[i].row, pair.score, pair.weight, dweight, ds);
    for (std::size_t n = 0; n < one.size(); ++n) dparameters[i][n] += one[n];
  }
  BASIN_DEVICE void finish() {
    auto const& c = at.c;
    int const t = at.m.thread() % 4;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      auto const& mine = at.mine[i];
      auto const state = over_row(at.m, states[i], [&](auto a, auto const& b) {
        watch.merge(a, b);
        return a;
      });
      auto const parameters = sum_over_row(at.m, dparameters[i]);
      if (!at.here[i]) continue;
      if (t == 0) {
        if constexpr (!rows_are_saved) c.kept_at(mine.batch, mine.head, mine.query) = kept[i];
        c.delta_at(mine.batch, mine.head, mine.query) = delta[i];
        if constexpr (has_parameters<N>)
          for (int n = 0; n < N::parameters; ++n)
            c.use.normalize.sees_parameter_gradient({mine.batch, mine.head, mine.query}, n,
                                                    static_cast<double>(parameters[n]));
        float log_sum = 0.0f;
        if constexpr (watch_type::needs_log_sum) log_sum = log_sum_of<float>(c.use.normalize, kept[i].row);
        watch.sees_row({mine.batch, mine.head, mine.query}, watch.report(state, 1.0f, log_sum, state.added));
      }
      write_row(at.m, dq, i, c.p.dim, factor_of_dots(c), &c.dq(mine.batch, mine.head, mine.query, 0), c.dq.stride(3));
    }
  }

  block_type at;
  watch_type watch;
  kept_row<N> kept[2]{};
  typename Call::delta_type delta[2]{};
  for_parameters<N, float> dparameters[2]{};
  typename watch_type::template rows<float> states[2]{};
  sums_of_warp<Call::dim / 8> dq{};
};

}  // namespace basin::gpu::detail
