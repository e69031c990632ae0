// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Gradients through attention on the host: five products a panel, threads over batch x key head x pieces of its panels.

#include "basin/cpu/detail/gradients.hpp"
#include "basin/cpu/detail/weigh.hpp"

namespace basin::cpu {

namespace detail {

/// What a thread works in, for one panel: scores (and products where the score is not linear), weights and their gradients.
template <class T>
struct backward_buffers {
  T *queries, *douts;                   // [dim, width], [value_dim, width]: in lanes
  T *query_rows, *dout_rows;            // [width, dim], [width, value_dim] in whole vectors: as rows
  T *dots, *scores, *weights, *dweights;  // [keys, width]
  T* dqueries;                          // [dim, width]
  key_block* blocks;

  backward_buffers(workspace&& memory, problem const& p, tuning const& cut, index width) : backward_buffers(memory, p, cut, width) {}
  backward_buffers(workspace& memory, problem const& p, tuning const& cut, index width)
      : queries(memory.take<T>(p.dim * width)),
        douts(memory.take<T>(p.value_dim * width)),
        query_rows(memory.take<T>(whole_vectors<T>(p.dim) * width)),
        dout_rows(memory.take<T>(whole_vectors<T>(p.value_dim) * width)),
        dots(memory.take<T>(p.keys * width)),
        scores(memory.take<T>(p.keys * width)),
        weights(memory.take<T>(p.keys * width)),
        dweights(memory.take<T>(p.keys * width)),
        dqueries(memory.take<T>(p.dim * width)),
        blocks(memory.take<key_block>(p.keys / cut.keys_per_block + 1)) {}
};

/// Copies rows of q or dout as they are, padded to whole vectors and `width` rows with 0.
template <class T, class View>
void pack_rows(View const& from, panel_at at, index width, T* to) {
  index const columns = whole_vectors<T>(from.extent(3));
  for (index i = 0; i < width; ++i)
    for (index d = 0; d < columns; ++d)
      to[i * columns + d] = i < at.count && d < from.extent(3) ? static_cast<T>(from(at.batch, at.head, at.first + i, d)) : T(0);
}

/// Tells the normalizer what each row of a panel adds to the gradients of its numbers.
template <class T, int Vectors, class Attention, class Sums>
void report_parameters(panel<T, Vectors, Attention> const& who, Sums const& sums) {
  using normalizer_type = decltype(Attention::normalize);
  if constexpr (has_parameters<normalizer_type>)
    for (int v = 0; v < Vectors; ++v)
      for (int n = 0; n < normalizer_type::parameters; ++n) {
        alignas(64) T values[lanes<T>];
        sums[v][static_cast<std::size_t>(n)].store_aligned(values);
        for (index lane = 0; lane < lanes<T> && v * lanes<T> + lane < who.at.count; ++lane)
          who.use.normalize.sees_parameter_gradient({who.at.batch, who.at.head, who.at.first + v * lanes<T> + lane}, n, static_cast<double>(values[lane]));
      }
}

/// dweights dw_ij -> gradients of <q_i, k_j>: ds_j = diag_j dw_j - outer_j delta, delta = sum_k carry_k dw_k; times the slope.
template <class T, int Vectors, class Attention, class Fit>
void through_rows(panel<T, Vectors, Attention> const& who, std::span<key_block const> blocks, index rows, Fit const& fit, backward_buffers<T> const& at) {
  using batch = simd<T>;
  using normalizer_type = decltype(Attention::normalize);
  constexpr index width = panel<T, Vectors, Attention>::width;
  cuda::std::array<batch, jacobian_of<normalizer_type, T>::rank> delta[Vectors];
  for_parameters<normalizer_type, batch> dparameters[Vectors];
  for (int v = 0; v < Vectors; ++v) {
    for (batch& sum : delta[v]) sum = batch(T(0));
    for (batch& sum : dparameters[v]) sum = batch(T(0));
  }
  over_scores<T, Vectors>(rows, at.weights, [&](int v, batch w, index n) {
    batch const score = batch::load_aligned(at.scores + n);
    batch const dw = math::select(score == math::minus_inf<batch>(), batch(T(0)), batch::load_aligned(at.dweights + n));
    dw.store_aligned(at.dweights + n);                           // whatever the product is there, nobody sees it
    gather(delta[v], fit.jacobian(who, v, score, w), dw);
  });
  for (key_block const block : blocks)
    for (index r = 0; r < block.count; ++r)
      for (int v = 0; v < Vectors; ++v) {
        index const n = (block.row + r) * width + v * lanes<T>;
        batch const score = batch::load_aligned(at.scores + n), weight = batch::load_aligned(at.weights + n), dw = batch::load_aligned(at.dweights + n);
        batch ds = score_gradient(fit.jacobian(who, v, score, weight), dw, delta[v]);
        if constexpr (has_parameters<normalizer_type>) {
          auto const given = fit.parameter_gradient(who, v, score, weight, dw, ds);
          for (std::size_t i = 0; i < given.size(); ++i) dparameters[v][i] = dparameters[v][i] + given[i];
        }
        if constexpr (!linear_scorer<decltype(who.use.score)>)
          ds = ds * who.use.score.slope(batch::load_aligned(at.dots + n), who.pair(v, block.first + r));
        math::select(score == math::minus_inf<batch>(), batch(T(0)), ds).store_aligned(at.dweights + n);
      }
  report_parameters(who, dparameters);
}

/// Adds what one panel of queries gives to the gradients of its keys and values, and writes its own.
template <int Vectors, class T, class Attention, class Watch, class Q, class K, class V, class DOut, class DQ>
void backward_panel(Attention const& use, Watch const& watch, problem const& p, tuning const& cut, panel_at where, backward_buffers<T> const& at,
                    Q const& q, K const& k, V const& v, DOut const& dout, DQ const& dq, key_gradients<T> sums) {
  using batch = simd<T>;
  panel<T, Vectors, Attention> who(use, watch, p, where);
  constexpr index width = panel<T, Vectors, Attention>::width;
  index const kv = p.kv_head(where.head);
  pack_lanes(q, where, width, who.packed_factor(), at.queries);
  pack_lanes(dout, where, width, T(1), at.douts);
  pack_rows(q, where, width, at.query_rows);
  pack_rows(dout, where, width, at.dout_rows);
  auto const finite = all_finite(at.query_rows, whole_vectors<T>(p.dim), 1, where.count, p.dim) &&
                      all_finite(at.dout_rows, whole_vectors<T>(p.value_dim), 1, where.count, p.value_dim);
  auto const blocks = visible_blocks(use, p, where, cut.keys_per_block, at.blocks, 0, p.keys);
  index const rows = blocks.empty() ? 0 : blocks.back().row + blocks.back().count;
  for (key_block const block : blocks) {
    T* const scores = at.scores + block.row * width;
    T* const dots = linear_scorer<decltype(use.score)> ? scores : at.dots + block.row * width;
    who.multiply(block, at.queries, k, dots);                                                                     // S = K Q^T
    who.score(block, dots, scores);
    who.hide(block, scores);
    product<Vectors, into::overwritten>(&v(where.batch, kv, block.first, 0), v.stride(2), v.stride(3), block.count, p.value_dim, at.douts, width,
                                        at.dweights + block.row * width, width);                                  // dW = V dO^T
  }
  weighed_rows<T, Vectors, Attention> fit;
  typename panel<T, Vectors, Attention>::states_type states{};
  fit.weigh(who, rows, at.scores, at.weights, states);
  over_scores<T, Vectors>(rows, at.weights, [&](int u, batch term, index n) {
    math::select(term == batch(T(0)), term, fit.factor[u] * term).store_aligned(at.weights + n);
  });
  through_rows(who, blocks, rows, fit, at);
  std::fill_n(at.dqueries, p.dim * width, T(0));
  for (key_block const block : blocks) {
    T const* const weights = at.weights + block.row * width;
    T const* const ddots = at.dweights + block.row * width;
    index const columns = whole_vectors<T>(p.dim), value_columns = whole_vectors<T>(p.value_dim);
    auto const* const keys = &k(where.batch, kv, block.first, 0);
    if (block.seen == coverage::some && !(finite && all_finite(keys, k.stride(2), k.stride(3), block.count, p.dim))) {
      zero_wins_product(weights, width, 1, block.count, where.count, at.dout_rows, value_columns, sums.value(block.first));
      zero_wins_product(ddots, width, 1, block.count, where.count, at.query_rows, columns, sums.key(block.first));
      zero_wins_product(keys, k.stride(3), k.stride(2), p.dim, block.count, ddots, width, at.dqueries);
      continue;
    }
    wide_product<into::added>(weights, width, 1, block.count, where.count, at.dout_rows, value_columns, sums.value(block.first));  // dV = W^T dO
    wide_product<into::added>(ddots, width, 1, block.count, where.count, at.query_rows, columns, sums.key(block.first));           // dK = dS^T Q
    product<Vectors, into::added>(keys, k.stride(3), k.stride(2), p.dim, block.count, ddots, width, at.dqueries, width);           // dQ = dS K
  }
  for (index lane = 0; lane < where.count; ++lane)
    for (index d = 0; d < p.dim; ++d)
      dq(where.batch, where.head, where.first + lane, d) = static_cast<typename DQ::value_type>(who.packed_factor() * at.dqueries[d * width + lane]);
}

}  // namespace detail

/// Gradients of a loss through forward(): given dout = dL/do, writes dL/dq, dL/dk, dL/dv. Observers see nothing here.
///
/// Source      dw_j = <do, v_j>; ds_j = diag_j dw_j - outer_j delta, delta = sum_k carry_k dw_k (concepts/normalizer.hpp)
/// Shapes      dout as out of forward(); dq, dk, dv as q, k, v; overwritten
/// Precision   as forward()
/// Cost        10 B H Nq Nk D flop for D = Dv; memory beside the operands: 4 x 32 queries x Nk scores a thread, and
///             `tasks` copies of the gradients of one key head where there are fewer heads than tasks; a normalizer with
///             parameters sees what every row adds to their gradients, once, from any thread
/// Throws      as forward()
/// Errors      static_assert: the normalizer has no jacobian()
/// Determinism run_to_run, for any number of threads
template <class Attention, class Q, class K, class V, class DOut, class DQ, class DK, class DV>
void backward(Attention const& use, Q const& q, K const& k, V const& v, DOut const& dout, DQ const& dq, DK const& dk, DV const& dv, tuning const& cut = {}) {
  static_assert(has_jacobian<decltype(use.normalize)>,
                "basin: backward needs a normalizer with jacobian(row, score, weight) -> {diag, outer, carry}; see concepts/normalizer.hpp");
  using T = compute_t<typename Q::value_type>;
  problem const p = check_backward("basin::cpu::backward", q, k, v, dout, dq, dk, dv);
  validate(use, p);
  cut.validate("basin::cpu::backward");
  attention blind = use.with(unobserved{});
  observation const watch(blind.observe);
  constexpr index width = panel_vectors * lanes<T>;
  detail::workspaces const memory([&](detail::workspace& w) { detail::backward_buffers<T>(w, p, cut, width); });
  index const panels = (p.queries + width - 1) / width, group = p.heads / p.kv_heads;
  T const key_factor = linear_scorer<decltype(use.score)> ? detail::panel<T, 1, decltype(blind)>(blind, watch, p, {}).packed_factor() : T(1);
  detail::over_key_heads<T>(p, panels * group, cut, key_factor, dk, dv, [&](int b, index kv, index n, detail::key_gradients<T> sums) {
    detail::backward_buffers<T> const at(memory.mine(), p, cut, width);
    detail::panel_at const where{b, static_cast<int>(kv * group + n / panels), n % panels * width, std::min(width, p.queries - n % panels * width)};
    if (where.count <= lanes<T>) detail::backward_panel<1>(blind, watch, p, cut, where, at, q, k, v, dout, dq, sums);
    else detail::backward_panel<panel_vectors>(blind, watch, p, cut, where, at, q, k, v, dout, dq, sums);
  });
}

}  // namespace basin::cpu
