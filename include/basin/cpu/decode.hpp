// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Few queries against many keys: the keys are split, every split makes its own rows, and the row states merge.

#include <vector>

#include "basin/cpu/forward.hpp"

namespace basin::cpu {

namespace detail {

/// Splits are cut by the shape alone, so that the bits do not depend on the number of threads.
inline constexpr index keys_per_split = 1024;

/// Merges the splits of one head in order: outputs so far and those of the split are brought to a common row.
template <class T, class Attention, class Row, class Out>
void merge_splits(panel<T, 1, Attention> const& who, Row const* rows, T const* outputs, index splits, T* sum, Out const& out) {
  auto const& n = who.use.normalize;
  index const size = who.p.value_dim * lanes<T>;
  Row row = rows[0];
  std::copy_n(outputs, size, sum);
  for (index split = 1; split < splits; ++split) {
    Row const old = row;
    n.merge(row, rows[split]);
    simd<T> const by_old = n.rescale(old, row), by_new = n.rescale(rows[split], row);
    for (index i = 0; i < size; i += lanes<T>) {
      simd<T> const o = by_old * simd<T>::load_aligned(sum + i) + by_new * simd<T>::load_unaligned(outputs + split * size + i);
      o.store_aligned(sum + i);
    }
  }
  simd<T> const factor[1] = {n.factor(row)};
  write_rows(who, sum, factor, out);
}

/// All splits of all heads, then the merges.
template <class T, class Attention, class Q, class K, class V, class Out>
void decode_in_splits(Attention const& use, problem const& p, tuning const& cut, Q const& q, K const& k, V const& v, Out const& out) {
  using panel_type = panel<T, 1, Attention>;
  using row_type = row_of<decltype(use.normalize), simd<T>>;
  observation const watch(use.observe);
  index const splits = (p.keys + keys_per_split - 1) / keys_per_split, size = p.value_dim * lanes<T>;
  std::vector<row_type> rows(static_cast<std::size_t>(p.batch * p.heads * splits));
  std::vector<T> outputs(rows.size() * static_cast<std::size_t>(size));
  workspaces const memory([&](workspace& w) { forward_buffers<T>(w, p, cut, cut.keys_per_block, lanes<T>, watch); });
  auto const where = [&](index head) { return panel_at{static_cast<int>(head / p.heads), static_cast<int>(head % p.heads), 0, p.queries}; };
#pragma omp parallel for schedule(dynamic, 1)
  for (index task = 0; task < static_cast<index>(rows.size()); ++task) {
    panel_at const at = where(task / splits);
    forward_buffers<T> const buffers(memory.mine(), p, cut, cut.keys_per_block, lanes<T>, watch);
    panel_type who(use, watch, p, at);
    pack_lanes(q, at, who.width, who.packed_factor(), buffers.queries);
    lane_rows<T, 1, Attention> fit;
    typename panel_type::states_type states{};
    fit.start(who);
    std::fill_n(buffers.outputs, size, T(0));
    index const first = task % splits * keys_per_split, last = std::min(first + keys_per_split, p.keys);
    for (key_block const block : visible_blocks(use, p, at, cut.keys_per_block, buffers.blocks, first, last)) absorb_block(who, block, fit, states, buffers, k, v);
    rows[static_cast<std::size_t>(task)] = fit.row[0];
    std::copy_n(buffers.outputs, size, outputs.data() + task * size);
  }
#pragma omp parallel for schedule(static)
  for (index head = 0; head < p.batch * p.heads; ++head) {
    panel_type const who(use, watch, p, where(head));
    forward_buffers<T> const buffers(memory.mine(), p, cut, cut.keys_per_block, lanes<T>, watch);
    merge_splits(who, rows.data() + head * splits, outputs.data() + head * splits * size, splits, buffers.outputs, out);
  }
}

}  // namespace detail

/// forward() for one query or a few against many keys: a step of generation with a cache of keys and values.
///
/// Shapes      as forward(); the queries are the last Nq of the Nk positions
/// Cost        reads k and v once a query head; split over keys where the normalizer is online and the queries fit one vector of
///             lanes, otherwise it is forward(); observers cost a forward() more, as they must change no bit of the output
/// Throws      as forward()
/// Determinism run_to_run, for any number of threads
/// Example     examples/06_decode.cpp
template <class Attention, class Q, class K, class V, class Out>
void decode(Attention const& use, Q const& q, K const& k, V const& v, Out const& out, tuning const& cut = {}) {
  using T = compute_t<typename Q::value_type>;
  problem const p = check_forward("basin::cpu::decode", q, k, v, out);
  validate(use, p);
  cut.validate("basin::cpu::decode");
  if (!detail::one_sweep<Attention> || p.queries > lanes<T>) return forward(use, q, k, v, out, cut);
  if constexpr (detail::one_sweep<Attention>) {
    detail::decode_in_splits<T>(use.with(unobserved{}), p, cut, q, k, v, out);
    if constexpr (!blind_observer<decltype(use.observe)>) {
      std::vector<T> unused(static_cast<std::size_t>(p.batch * p.heads * p.queries * p.value_dim));
      forward(use, q, k, v, contiguous(unused.data(), p.batch, p.heads, p.queries, p.value_dim), cut);
    }
  }
}

}  // namespace basin::cpu
