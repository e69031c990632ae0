// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Gradients of keys and values: summed over the panels of all query heads that read them, in pieces that depend on the
// shape alone (tasks.hpp), so that the bits do not depend on the number of threads.

#include "basin/cpu/detail/tasks.hpp"
#include "basin/cpu/detail/workspace.hpp"

namespace basin::cpu::detail {

/// Sums of one piece for one key head, rows padded to whole vectors.
template <class T>
struct key_gradients {
  T *keys, *values;
  index key_columns, value_columns;
  T* key(index row) const { return keys + row * key_columns; }
  T* value(index row) const { return values + row * value_columns; }
};

/// to(b, kv, :, :) = factor * the sum of the pieces, in order.
template <class T, class View>
void add_pieces(View const& to, index b, index kv, T const* pieces, index count, index piece_size, index columns, T factor) {
  for (index j = 0; j < to.extent(2); ++j)
    for (index d = 0; d < to.extent(3); ++d) {
      T sum = T(0);
      for (index piece = 0; piece < count; ++piece) sum += pieces[piece * piece_size + j * columns + d];
      to(b, kv, j, d) = static_cast<typename View::value_type>(factor * sum);
    }
}

/// Calls run(batch, key head, n, sums) for n in [0, panels) of every key head, and writes dk and dv.
template <class T, class DK, class DV, class Run>
void over_key_heads(problem const& p, index panels, tuning const& cut, T key_factor, DK const& dk, DV const& dv, Run const& run) {
  index const heads = p.batch * p.kv_heads;
  pieces_of const cuts{panels, std::min(panels, std::max<index>(1, cut.tasks / heads))};
  index const together = std::max<index>(1, cut.tasks / cuts.pieces);              // heads in flight, so that memory stays small
  index const key_columns = whole_vectors<T>(p.dim), value_columns = whole_vectors<T>(p.value_dim);
  index const piece_size = p.keys * (key_columns + value_columns);
  std::vector<T> pieces(static_cast<std::size_t>(piece_size * together * cuts.pieces));
  for (index first = 0; first < heads; first += together) {
    index const count = std::min(together, heads - first);
#pragma omp parallel for schedule(dynamic, 1)
    for (index task = 0; task < count * cuts.pieces; ++task) {
      index const head = first + task / cuts.pieces, piece = task % cuts.pieces;
      T* const sums = pieces.data() + task * piece_size;
      std::fill_n(sums, piece_size, T(0));
      for (index n = cuts.bound(piece); n < cuts.bound(piece + 1); ++n)
        run(static_cast<int>(head / p.kv_heads), head % p.kv_heads, n, key_gradients<T>{sums, sums + p.keys * key_columns, key_columns, value_columns});
    }
#pragma omp parallel for schedule(static)
    for (index n = 0; n < count; ++n) {
      T const* const sums = pieces.data() + n * cuts.pieces * piece_size;
      index const b = (first + n) / p.kv_heads, kv = (first + n) % p.kv_heads;
      add_pieces(dk, b, kv, sums, cuts.pieces, piece_size, key_columns, key_factor);
      add_pieces(dv, b, kv, sums + p.keys * key_columns, cuts.pieces, piece_size, value_columns, T(1));
    }
  }
}

}  // namespace basin::cpu::detail
