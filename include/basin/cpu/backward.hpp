// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Gradients through attention on the host: five products a query tile, threads over batch x key head x pieces of tiles.

#include "basin/cpu/detail/gradients.hpp"
#include "basin/cpu/detail/next_rows.hpp"
#include "basin/cpu/detail/row_gradients.hpp"
#include "basin/cpu/detail/tasks.hpp"
#include "basin/cpu/detail/watch.hpp"

namespace basin::cpu {

namespace detail {

/// The arguments of backward(), checked.
template <class Attention, class Q, class K, class V, class DOut, class DQ>
struct backward_call {
  using T = compute_t<typename Q::value_type>;
  using normalizer_type = decltype(Attention::normalize);
  using watch_type = observation<decltype(Attention::observe)>;
  static constexpr auto linear = linear_scorer<decltype(Attention::score)>;
  static constexpr auto keeps_scores = reads_scores_of_pairs<normalizer_type>;

  Attention const& use;
  watch_type watch;
  problem p;
  tuning cut;
  Q const &q;
  K const &k;
  V const &v;
  DOut const &dout;
  DQ const &dq;

  /// Numbers that a query tile holds for each of its queries and keys: weights and their gradients; the scores if the
  /// normalizer's Jacobian reads them; the products if the score is not linear in them.
  static constexpr index_t numbers_a_pair = 2 + (keeps_scores ? 1 : 0) + (linear ? 0 : 1);
};

/// How the query tiles of a backward call are cut, and the largest number of keys visible to one.
struct backward_panels {
  panel_cuts cuts;
  index_t visible;

  /// Full tiles while all that a tile holds stays near the cache; narrow ones for longer rows. Rounding depends on it.
  template <class Call>
  static backward_panels of(Call const& call) {
    using T = typename Call::T;
    problem const& p = call.p;
    auto const wide = panel_cuts::of(p, T{});
    auto const bytes = [&](index_t keys) {
      return keys * wide.width * Call::numbers_a_pair * static_cast<index_t>(sizeof(T));
    };
    if (bytes(p.keys) <= call.cut.panel_bytes) return {wide, p.keys};
    if (index_t const visible = most_visible_keys(call.use, p, wide, call.cut);
        bytes(visible) <= 8 * call.cut.panel_bytes)
      return {wide, visible};
    panel_cuts const narrow{lanes<T>, lanes<T>, 0, (p.queries + lanes<T> - 1) / lanes<T>, wide.group};
    return {narrow, most_visible_keys(call.use, p, narrow, call.cut)};
  }
};

/// The workspace of one thread, for one query tile.
template <class Call>
struct backward_buffers {
  using T = typename Call::T;

  T *queries, *douts;                   // [dim, width], [value_dim, width]: in lanes
  T *query_rows, *dout_rows;            // [width, dim], [width, value_dim] in whole vectors: as rows
  index_t visible;                      // most keys that are visible to one tile
  T *weights, *dweights;                // [visible, width]
  T *scores, *dots;                     // [visible, width]; if not needed, aliases of weights and scores
  T* gathered;                          // [visible]: one row, if the normalizer needs the whole row
  int levels;
  T* dqueries;                          // [levels, dim, width]
  T *keys, *values;                     // [keys_per_block, dim], if k and v cannot be read in place
  key_block* blocks;

  backward_buffers(workspace&& memory, Call const& call, backward_panels const& panels)
      : backward_buffers(memory, call, panels) {}
  backward_buffers(workspace& memory, Call const& call, backward_panels const& panels)
      : visible(panels.visible), levels(levels_of_sum(call.p.keys, keys_per_part(call.cut))) {
    auto const& p = call.p;
    index_t const width = panels.cuts.width;
    index_t const block = std::min(p.keys, call.cut.keys_per_block);
    queries = memory.take<T>(p.dim * width);
    douts = memory.take<T>(p.value_dim * width);
    query_rows = memory.take<T>(whole_vectors<T>(p.dim) * width);
    dout_rows = memory.take<T>(whole_vectors<T>(p.value_dim) * width);
    weights = memory.take<T>(visible * width);
    dweights = memory.take<T>(visible * width);
    scores = Call::keeps_scores ? memory.take<T>(visible * width) : weights;
    dots = Call::linear ? scores : memory.take<T>(visible * width);
    gathered = memory.take<T>(fits_scalar_rows<typename Call::normalizer_type> ? visible : 0);
    dqueries = memory.take<T>(levels * p.dim * width);
    keys = memory.take<T>(readable_in_place<T>(call.k) ? 0 : block * whole_vectors<T>(p.dim));
    values = memory.take<T>(readable_in_place<T>(call.v) ? 0 : block * whole_vectors<T>(p.value_dim));
    blocks = memory.take<key_block>(blocks_at_most(p, call.cut));
  }
};

/// Copies rows of q or dout as they are, padded to whole vectors and `width` rows with 0.
template <class T, class View>
void pack_rows(View const& from, panel_at at, index_t width, T* to) {
  index_t const dim = from.extent(3), columns = whole_vectors<T>(dim);
  for (index_t i = 0; i < width; ++i)
    for (index_t d = 0; d < columns; d += lanes<T>)
      (i < at.count ? load_row<T>(from, at.batch, at.head, at.first + i, d, dim - d) : simd<T>(T(0)))
          .store_aligned(to + i * columns + d);
}

/// Gradients by scores -> gradients by products: multiplied by the slope of the score, in blocks of nonlinear scores.
template <coverage Seen, class Panel, class T>
void apply_slopes(Panel const& tile, key_block block, pair_numbers<T> const& pairs, T const* dots) {
  using batch = simd<T>;
  for (int v = 0; v < Panel::vectors; ++v)
    for (index_t r = 0; r < block.count; ++r) {
      index_t const n = (block.row + r) * Panel::width + v * lanes<T>;
      batch ds = batch::load_aligned(pairs.dweights + n) *
                 tile.use.score.slope(batch::load_aligned(dots + n), tile.pair(v, block.first + r));
      if constexpr (Seen == coverage::some) ds = math::select(is_hidden<Panel>(pairs, n), batch(T(0)), ds);
      ds.store_aligned(pairs.dweights + n);
    }
}

/// Unnormalised weights and dweights of a query tile -> its weights and the gradients of its products.
template <class Call, class Panel, class Fit, class T>
void through_panel(Panel const& tile, std::span<key_block const> blocks, Fit const& fit,
                   backward_buffers<Call> const& buffers, index_t part, pair_numbers<T> const& pairs) {
  through_rows(tile, blocks, fit, pairs, part);
  if constexpr (!Call::linear) {
    for (key_block const block : blocks)
      if (block.seen == coverage::all)
        apply_slopes<coverage::all>(tile, block, pairs, static_cast<T const*>(buffers.dots));
      else
        apply_slopes<coverage::some>(tile, block, pairs, static_cast<T const*>(buffers.dots));
  }
}

/// S = K Q^T and dW = V dO^T of a query tile, one block of keys at a time.
template <int Vectors, class T, class Attention, class Call>
void multiply_panel(Call const& call, panel<T, Vectors, Attention>& tile, std::span<key_block const> blocks,
                    backward_buffers<Call> const& buffers) {
  constexpr index_t width = panel<T, Vectors, Attention>::width;
  index_t const kv = call.p.kv_head(tile.at.head);
  for (key_block const block : blocks) {
    auto const keys = rows_of<T>(call.k, tile.at.batch, kv, block.first, block.count, buffers.keys);
    auto const values = rows_of<T>(call.v, tile.at.batch, kv, block.first, block.count, buffers.values);
    T *const scores = buffers.scores + block.row * width, *const dots = buffers.dots + block.row * width;
    tile.multiply(keys, block.count, buffers.queries, dots, next_rows<T>{}.during(block.count, keys));
    tile.score(block, dots, scores);
    tile.hide(block, scores);
    product<Vectors, into::overwritten>(
        values.start, values.step, unit_step{}, block.count, all_terms{call.p.value_dim}, buffers.douts, width,
        buffers.dweights + block.row * width, width, next_rows<T>{}.during(block.count, values));
  }
}

/// dV += W^T dO, dK += dS^T Q and dQ = dS K of a query tile; returns dQ [dim, width].
template <int Vectors, class T, class Attention, class Call>
T const* add_gradients(Call const& call, panel<T, Vectors, Attention> const& tile, std::span<key_block const> blocks,
                       backward_buffers<Call> const& buffers, key_gradients<T> sums) {
  constexpr index_t width = panel<T, Vectors, Attention>::width;
  auto const& p = call.p;
  index_t const columns = sums.key_columns, value_columns = sums.value_columns, count = tile.at.count;
  auto const finite = all_finite(buffers.query_rows, columns, count, p.dim) &&
                      all_finite(buffers.dout_rows, value_columns, count, p.value_dim);
  std::fill_n(buffers.dqueries, buffers.levels * p.dim * width, T(0));
  sum_tree<T*> dqueries(buffers.dqueries);
  for (int level = 1; level < buffers.levels; ++level) dqueries.level(level) = buffers.dqueries + level * p.dim * width;
  auto const add = [&](T* into, T* from) { move_into(into, from, p.dim * width); };
  auto const lift = [](T*& to, T*& from) { std::swap(to, from); };  // unused sums stay 0
  for (key_block const block : blocks) {
    dqueries.move_to(block.first / keys_per_part(call.cut), add, lift);
    T const *const weights = buffers.weights + block.row * width, *const ddots = buffers.dweights + block.row * width;
    auto const keys =
        rows_of<T>(call.k, tile.at.batch, p.kv_head(tile.at.head), block.first, block.count, buffers.keys);
    if (block.seen == coverage::some && !(finite && all_finite(keys.start, keys.step, block.count, p.dim))) {
      zero_wins_product(weights, width, 1, block.count, count, buffers.dout_rows, value_columns,
                        sums.value(block.first));
      zero_wins_product(ddots, width, 1, block.count, count, buffers.query_rows, columns, sums.key(block.first));
      zero_wins_product(keys.start, 1, keys.step, p.dim, block.count, ddots, width, dqueries.open());
      continue;
    }
    wide_product<into::added>(weights, width, unit_step{}, block.count, count, buffers.dout_rows, value_columns,
                              sums.value(block.first));
    wide_product<into::added>(ddots, width, unit_step{}, block.count, count, buffers.query_rows, columns,
                              sums.key(block.first));
    product<Vectors, into::added>(keys.start, unit_step{}, keys.step, p.dim, all_terms{block.count}, ddots, width,
                                  dqueries.open(), width);
  }
  return dqueries.total(add);
}

/// The blocks were counted before there was memory for them.
inline void require_room(std::span<key_block const> blocks, index_t visible) {
  index_t const seen = blocks.empty() ? 0 : blocks.back().row + blocks.back().count;
  if (seen > visible)
    throw error(
        message("basin::cpu::backward: ", seen, " keys are visible to a panel of queries, but at most ", visible,
                " when they were counted; covers(tile) of a mask or a pruner must give the same answer at every "
                "call"));
}

/// Processes one query tile: adds to the gradients of its keys and values, writes the gradients of its queries, and
/// passes its rows and weights to the observers.
template <int Vectors, class Call, class T>
void backward_panel(Call const& call, panel_at where, backward_buffers<Call> const& buffers, key_gradients<T> sums,
                    double* totals) {
  using watch_type = typename Call::watch_type;
  auto const& p = call.p;
  panel<T, Vectors, std::remove_cvref_t<decltype(call.use)>> tile(call.use, call.watch, p, where);
  if constexpr (watch_type::counts_queries)
    tile.count_from(totals + watch_type::key_values, static_cast<index_t>(numbers_per_key<watch_type>));
  pack_lanes(call.q, where, tile.width, tile.packed_factor(), buffers.queries);
  pack_lanes(call.dout, where, tile.width, T(1), buffers.douts);
  pack_rows(call.q, where, tile.width, buffers.query_rows);
  pack_rows(call.dout, where, tile.width, buffers.dout_rows);
  auto const blocks = visible_blocks(call.use, p, where, call.cut, buffers.blocks, 0, p.keys);
  index_t const part = keys_per_part(call.cut);
  require_room(blocks, buffers.visible);
  multiply_panel(call, tile, blocks, buffers);
  weighed_rows<T, Vectors, std::remove_cvref_t<decltype(call.use)>> fit;
  typename decltype(tile)::states_type states{};
  fit.weigh(tile, panel_scores<T>{blocks, buffers.scores, buffers.weights, buffers.gathered, part}, states);
  for (key_block const block : blocks)
    give_keys(tile, block, static_cast<T const*>(buffers.weights) + block.row * tile.width, fit.factor, totals);
  report_rows(tile, states, fit);
  through_panel(tile, blocks, fit, buffers, part, pair_numbers<T>{buffers.weights, buffers.dweights, buffers.scores});
  T const* const dqueries = add_gradients(call, tile, blocks, buffers, sums);
  simd<T> factor[Vectors];
  for (auto& f : factor) f = simd<T>(tile.packed_factor());
  unpack_lanes(dqueries, where, tile.width, factor, call.dq);
}

}  // namespace detail

/// Gradients of a loss through forward(): given dout = dL/do, writes dL/dq, dL/dk, dL/dv. Row and key observers record
/// what they record in forward(), up to rounding, at a lower cost because the final weights are at hand. Whole-row
/// observers record nothing here.
///
/// Source      dw_j = <do, v_j>; ds_j = diag_j dw_j - outer_j delta, delta = sum_k carry_k dw_k
///             (concepts/normalizer.hpp)
/// Shapes      dout as out of forward(); dq, dk, dv as q, k, v; overwritten
/// Precision   as forward(); gradients of keys sum up to 2048 queries in one piece, more queries in several pieces
/// Cost        10 B H Nq Nk D flop for D = Dv. A thread holds two numbers for each of the 48 or 16 queries of a query
///             tile (AVX-512) and each of its visible keys, in whole blocks; a third if the normalizer's Jacobian reads
///             the scores, and one more if the score is not linear. It holds D + Dv numbers for each key that is
///             visible to a piece of the queries: if at most half of the keys are visible to a query tile, a piece is a
///             stretch of about 2048 queries. Keys of more than one piece take the same again, for about tuning.tasks
///             pieces at once. A window of 256 keys on either side takes 6 MiB for two threads at any length. Causal
///             and full calls take 500 bytes for each key and thread, and 500 more for each key (fp32, d = 64). Key
///             observers: 8 bytes for each key and query head, and per thread for those of one key head. A normalizer
///             with parameters receives the gradient of every row once, from any thread
/// Throws      as forward(), hooks included
/// Errors      static_assert: the normalizer has no jacobian()
/// Determinism run_to_run, for any number of threads
template <class Attention, class Q, class K, class V, class DOut, class DQ, class DK, class DV>
void backward(Attention const& use, Q const& q, K const& k, V const& v, DOut const& dout, DQ const& dq, DK const& dk,
              DV const& dv, tuning const& asked = {}) {
  if constexpr (entry::takes(entry::reads<Q, K, V, DOut>{}, entry::writes<DQ, DK, DV>{})) {
    static_assert(has_jacobian<decltype(use.normalize)>,
                  "basin: backward needs a normalizer with jacobian(row, score, weight) -> {diag, outer, carry}; see "
                  "concepts/normalizer.hpp");
    using T = compute_t<typename Q::value_type>;
    constexpr auto caller = "basin::cpu::backward";
    problem const p = check_backward(caller, q, k, v, dout, dq, dk, dv);
    check_policies_on_host(caller, use, p, operands_of_backward(q, k, v, dout, dq, dk, dv));
    tuning const cut = asked.for_call(caller, p.keys);
    using call_type = detail::backward_call<Attention, Q, K, V, DOut, DQ>;
    using watch_type = typename call_type::watch_type;
    call_type const call{use, watch_type(use.observe), p, cut, q, k, v, dout, dq};
    auto const panels = detail::backward_panels::of(call);
    auto const pieces = detail::dealt::of(p, panels.cuts, cut, panels.visible);
    auto const plan = detail::plan_blocks(use, p, pieces, cut, panels.visible);
    detail::workspaces const memory(
        [&](detail::workspace& w) { detail::backward_buffers<call_type>(w, call, panels); });
    T const key_factor = detail::panel<T, 1, Attention>(use, call.watch, p, {}).packed_factor();
    auto const one_panel = [&](detail::panel_at where, bool narrow, detail::key_gradients<T> sums, double* totals) {
      detail::backward_buffers<call_type> const buffers(memory.mine(), call, panels);
      if (narrow) detail::backward_panel<1>(call, where, buffers, sums, totals);
      else detail::backward_panel<panel_vectors<T>>(call, where, buffers, sums, totals);
    };
    detail::over_key_heads<T>(p, pieces, plan, cut, key_factor, dk, dv, call.watch, one_panel);
  }
}

}  // namespace basin::cpu
