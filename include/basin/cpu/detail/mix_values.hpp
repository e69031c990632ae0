// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The last product of a forward call: weights times values, where 0 times anything is 0.

#include <cmath>

#include "basin/cpu/detail/key_stream.hpp"

namespace basin::cpu::detail {

/// Whether 0 times a value must be 0 in this block: the block is partly hidden and holds a NaN or an infinity.
template <class Call, class T>
bool zeros_must_win(Call const& call, panel_at where, key_block block, key_rows<T> const& rows,
                    forward_buffers<Call> const& buffers, row_block<T>& values) {
  if (block.seen != coverage::some) return false;
  values = buffers.by_tiles
               ? rows_of<T>(call.v, where.batch, call.p.kv_head(where.head), block.first, block.count, buffers.values)
               : rows.values;
  return !all_finite(values.start, values.step, block.count, call.p.value_dim);
}

/// The same with matrix tiles, if 0 times anything must be 0: the product uses 0 for every NaN and infinity, so the
/// queries from which they are hidden keep their bits, and each is then added for the queries to which it is visible.
template <class Call, class Panel, class T>
void mix_around(Call const& call, Panel& panel, key_block block, T const* weights,
                forward_buffers<Call> const& buffers) {
  constexpr index_t width = Panel::panel_type::width;
  constexpr int vectors = static_cast<int>(width / lanes<T>);
  index_t const dim = call.p.value_dim;
  auto const* const values = &call.v(panel.tile.at.batch, call.p.kv_head(panel.tile.at.head), block.first, 0);
  auto const value = [&](index_t r, index_t d) { return values[r * call.v.stride(2) + d * call.v.stride(3)]; };
  auto* const finite = reinterpret_cast<bfloat16*>(buffers.values);
  for (index_t r = 0; r < block.count; ++r)
    for (index_t d = 0; d < dim; ++d)
      finite[r * dim + d] = std::isfinite(static_cast<float>(value(r, d))) ? value(r, d) : bfloat16{};
  tiles::block tiled;
  tiles::pack_values(contiguous(static_cast<bfloat16 const*>(finite), 1, 1, block.count, dim), 0, 0, 0, block.count,
                     finite + block.count * dim, tiled);
  tiles::pack_terms<vectors>(weights, block.count, buffers.tiled_terms);
  tiles::mix<vectors>(tiled, block.count, dim, buffers.tiled_terms, panel.outputs());
  for (index_t r = 0; r < block.count; ++r)
    for (index_t d = 0; d < dim; ++d)
      if (T const x = static_cast<T>(value(r, d)); !std::isfinite(x))
        for (index_t lane = 0; lane < width; ++lane)
          if (!(weights[r * width + lane] == T(0))) panel.outputs()[d * width + lane] += weights[r * width + lane] * x;
}

/// o_i += weights of one block times its values.
template <class Call, class Panel, class T, class Terms>
void mix_values(Call const& call, Panel& panel, key_block block, T const* weights, key_rows<T> const& rows, Terms terms,
                forward_buffers<Call> const& buffers) {
  constexpr index_t width = Panel::panel_type::width;
  constexpr int vectors = static_cast<int>(width / lanes<T>);
  index_t const dim = call.p.value_dim;
  if (row_block<T> values; zeros_must_win(call, panel.tile.at, block, rows, buffers, values)) {
    if constexpr (Call::may_use_tiles)
      if (buffers.by_tiles) return mix_around(call, panel, block, weights, buffers);
    return zero_wins_product(values.start, 1, values.step, dim, block.count, weights, width, panel.outputs());
  }
  if constexpr (Call::may_use_tiles)
    if (buffers.by_tiles) {
      tiles::pack_terms<vectors>(weights, block.count, rows.tiled_terms);
      return tiles::mix<vectors>(rows.tiled, block.count, dim, rows.tiled_terms, panel.outputs());
    }
  if (rows.packed_values.start != nullptr)
    return packed_product<vectors, into::added>(rows.packed_values, dim, terms, weights, width, panel.outputs(), width,
                                                rows.next_values.during(dim));
  product<vectors, into::added>(rows.values.start, unit_step{}, rows.values.step, dim, terms, weights, width,
                                panel.outputs(), width, rows.next_values.during(dim));
}

}  // namespace basin::cpu::detail
