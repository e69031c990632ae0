// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The one matrix product of the engine: C[r][:] (+)= sum_t A(r, t) B[t][:], where A is read one number at a time, from any
// strides, and B and C are rows of whole vectors. It serves S = K Q^T, O^T = V^T P, and the products of the backward pass,
// so no operand is ever packed except the panel of queries.

#include <cmath>
#include <type_traits>

#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

using unit_step = std::integral_constant<index, 1>;

enum class into { overwritten, added };

/// Rows x Vectors accumulators in registers.
template <int Rows, int Vectors, into How, class T, class Storage, class RowStep, class TermStep>
BASIN_INLINE void product_tile(Storage const* a, RowStep row_step, TermStep term_step, index terms, T const* b, index b_step, T* c, index c_step) {
  using batch = simd<T>;
  batch sum[Rows][Vectors];
  BASIN_UNROLL
  for (int r = 0; r < Rows; ++r) {
    BASIN_UNROLL
    for (int v = 0; v < Vectors; ++v) sum[r][v] = How == into::added ? batch::load_unaligned(c + r * c_step + v * lanes<T>) : batch(T(0));
  }
  for (index t = 0; t < terms; ++t) {
    batch column[Vectors];
    BASIN_UNROLL
    for (int v = 0; v < Vectors; ++v) column[v] = batch::load_unaligned(b + v * lanes<T>);
    BASIN_UNROLL
    for (int r = 0; r < Rows; ++r) {
      batch const x(static_cast<T>(a[r * row_step]));
      BASIN_UNROLL
      for (int v = 0; v < Vectors; ++v) sum[r][v] = math::fma(x, column[v], sum[r][v]);
    }
    a += term_step;
    b += b_step;
  }
  BASIN_UNROLL
  for (int r = 0; r < Rows; ++r) {
    BASIN_UNROLL
    for (int v = 0; v < Vectors; ++v) sum[r][v].store_unaligned(c + r * c_step + v * lanes<T>);
  }
}

/// Shapes    A [rows, terms] at a + r row_step + t term_step; B [terms, Vectors * lanes]; C [rows, Vectors * lanes]
template <int Vectors, into How, class T, class Storage, class RowStep, class TermStep>
void product_with_steps(Storage const* a, RowStep row_step, TermStep term_step, index rows, index terms, T const* b, index b_step, T* c, index c_step) {
  index r = 0;
  auto const tile = [&](auto size) {
    product_tile<size, Vectors, How>(a + r * row_step, row_step, term_step, terms, b, b_step, c + r * c_step, c_step);
    r += size;
  };
  while (r + tile_rows<T> <= rows) tile(std::integral_constant<int, tile_rows<T>>{});
  if (r + 4 <= rows) tile(std::integral_constant<int, 4>{});
  if (r + 2 <= rows) tile(std::integral_constant<int, 2>{});
  while (r < rows) tile(std::integral_constant<int, 1>{});
}

/// The same, where a step of 1 is told to the compiler.
template <int Vectors, into How, class T, class Storage>
void product(Storage const* a, index row_step, index term_step, index rows, index terms, T const* b, index b_step, T* c, index c_step) {
  if (term_step == 1) product_with_steps<Vectors, How>(a, row_step, unit_step{}, rows, terms, b, b_step, c, c_step);
  else if (row_step == 1) product_with_steps<Vectors, How>(a, unit_step{}, term_step, rows, terms, b, b_step, c, c_step);
  else product_with_steps<Vectors, How>(a, row_step, term_step, rows, terms, b, b_step, c, c_step);
}

/// The same over any number of whole vectors a row, two at a time: the products whose rows run along a head's dim.
template <into How, class T, class Storage>
void wide_product(Storage const* a, index row_step, index term_step, index rows, index terms, T const* b, index columns, T* c) {
  index column = 0;
  for (; column + 2 * lanes<T> <= columns; column += 2 * lanes<T>)
    product<2, How>(a, row_step, term_step, rows, terms, b + column, columns, c + column, columns);
  if (column < columns) product<1, How>(a, row_step, term_step, rows, terms, b + column, columns, c + column, columns);
}

/// The added product, where 0 times anything is 0. A NaN or an infinity then reaches only those whose factor is not 0: who does
/// not see it keeps its bits. For the few tiles where it matters; not made to be fast. `columns` are whole vectors.
template <class T, class Storage>
void zero_wins_product(Storage const* a, index row_step, index term_step, index rows, index terms, T const* b, index columns, T* c) {
  simd<T> const zero(T(0));
  for (index r = 0; r < rows; ++r)
    for (index t = 0; t < terms; ++t) {
      simd<T> const x(static_cast<T>(a[r * row_step + t * term_step]));
      if (x.get(0) == T(0)) continue;
        for (index n = 0; n < columns; n += lanes<T>) {            // the same fused steps as the products above: the same bits
        simd<T> const y = simd<T>::load_unaligned(b + t * columns + n), sum = simd<T>::load_unaligned(c + r * columns + n);
        math::select(y == zero, sum, math::fma(x, y, sum)).store_unaligned(c + r * columns + n);
      }
    }
}

/// Whether a matrix with any strides holds numbers only.
template <class Storage>
bool all_finite(Storage const* a, index row_step, index term_step, index rows, index terms) {
  for (index r = 0; r < rows; ++r)
    for (index t = 0; t < terms; ++t)
      if (!std::isfinite(static_cast<compute_t<Storage>>(a[r * row_step + t * term_step]))) return false;
  return true;
}

}  // namespace basin::cpu::detail
