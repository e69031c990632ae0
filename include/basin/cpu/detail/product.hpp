// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The one matrix product of the engine: C[r][:] (+)= sum_t A(r, t) B[t][:]. A is read one number at a time; B and C are
// rows of whole vectors. It computes S = K Q^T, O^T = V^T P and the products of the backward pass. Keys are read in
// place, and values, too, unless enough query tiles share a block of them for a packed copy to pay.

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

using unit_step = std::integral_constant<index_t, 1>;

enum class into { overwritten, added };

/// The terms 0 .. count - 1 of a sum.
struct all_terms {
  index_t count;
  index_t operator[](index_t t) const { return t; }
};

/// The terms of A whose indices a list gives; the rows of B are packed for these terms only.
struct listed_terms {
  index_t const* list;
  index_t count;
  index_t operator[](index_t t) const { return list[t]; }
};

/// The default callback between tiles: does nothing.
struct nothing {
  void operator()(index_t) const {}
};

/// The default callback for the numbers of a finished tile: does nothing.
struct unseen {
  template <class Batch>
  void operator()(int, Batch const&) const {}
};

/// Rows x Vectors accumulators in registers.
template <int Rows, int Vectors, into How, class T, class RowStep, class TermStep, class Terms, class Sees>
BASIN_INLINE void product_tile(T const* a, RowStep row_step, TermStep term_step, Terms terms, T const* b,
                               index_t b_step, T* c, index_t c_step, Sees const& sees) {
  using batch = simd<T>;
  batch sum[Rows][Vectors];
  BASIN_UNROLL
  for (int r = 0; r < Rows; ++r) {
    BASIN_UNROLL
    for (int v = 0; v < Vectors; ++v)
      sum[r][v] = How == into::added ? batch::load_unaligned(c + r * c_step + v * lanes<T>) : batch(T(0));
  }
  for (index_t t = 0; t < terms.count; ++t) {
    T const* const from = a + terms[t] * term_step;
    T const* const row = b + t * b_step;
    batch column[Vectors];
    BASIN_UNROLL
    for (int v = 0; v < Vectors; ++v) column[v] = batch::load_unaligned(row + v * lanes<T>);
    BASIN_UNROLL
    for (int r = 0; r < Rows; ++r) {
      batch const x(from[r * row_step]);
      BASIN_UNROLL
      for (int v = 0; v < Vectors; ++v) sum[r][v] = math::fma(x, column[v], sum[r][v]);
    }
  }
  BASIN_UNROLL
  for (int v = 0; v < Vectors; ++v) {  // before all stores, which might alias what `sees` reads
    BASIN_UNROLL
    for (int r = 0; r < Rows; ++r) sees(v, sum[r][v]);
  }
  BASIN_UNROLL
  for (int r = 0; r < Rows; ++r) {
    BASIN_UNROLL
    for (int v = 0; v < Vectors; ++v) sum[r][v].store_unaligned(c + r * c_step + v * lanes<T>);
  }
}

/// C [rows, Vectors * lanes] from A [rows, terms] at a + r row_step + t term_step and B [terms, Vectors * lanes]; one
/// of A's steps should be a unit_step. Calls `meanwhile(r)` before every tile, and `sees(v, numbers)` with everything
/// it stores.
template <int Vectors, into How, class T, class RowStep, class TermStep, class Terms, class Meanwhile = nothing,
          class Sees = unseen>
void product(T const* a, RowStep row_step, TermStep term_step, index_t rows, Terms terms, T const* b, index_t b_step,
             T* c, index_t c_step, Meanwhile const& meanwhile = {}, Sees const& sees = {}) {
  index_t r = 0;
  auto const tile = [&](auto size) {
    meanwhile(r);
    product_tile<size, Vectors, How>(a + r * row_step, row_step, term_step, terms, b, b_step, c + r * c_step, c_step,
                                     sees);
    r += size;
  };
  constexpr int most = tile_rows<T, Vectors>;
  while (r < rows) {  // avoids a remainder that only single rows could process
    if (index_t const left = rows - r; left == most || left >= most + 4) tile(std::integral_constant<int, most>{});
    else if (left >= 4) tile(std::integral_constant<int, 4>{});
    else tile(std::integral_constant<int, 1>{});
  }
}

/// A matrix A^T as the tiles of a product read it: `side` of its columns side by side, term after term, then the next
/// columns.
template <class T>
struct packed_columns {
  static constexpr int side = tile_rows<T, panel_vectors<T>>;
  T const* start = nullptr;
  index_t terms = 0;                                             // from one tile to the next

  /// Two extra terms: tiles a page apart would map to the same few lines of the L1 cache.
  static constexpr index_t terms_for(index_t terms) { return terms + 2; }
  static constexpr index_t size(index_t terms, index_t columns) {
    return terms_for(terms) * ((columns + side - 1) / side * side);
  }
  packed_columns from(index_t term) const { return {start == nullptr ? start : start + term * side, terms}; }
  T const* tile(index_t column) const { return start + column * terms; }
};

/// The same product from packed columns of A^T: each tile reads one contiguous stream, and the bits are the same.
template <int Vectors, into How, class T, class Terms, class Meanwhile = nothing>
void packed_product(packed_columns<T> a, index_t rows, Terms terms, T const* b, index_t b_step, T* c, index_t c_step,
                    Meanwhile const& meanwhile = {}) {
  constexpr int side = packed_columns<T>::side;
  using step = std::integral_constant<index_t, side>;
  for (index_t r = 0; r < rows; r += side) {
    meanwhile(r);
    if (rows - r >= side)
      product_tile<side, Vectors, How>(a.tile(r), unit_step{}, step{}, terms, b, b_step, c + r * c_step, c_step,
                                       unseen{});
    else product<Vectors, How>(a.tile(r), unit_step{}, step{}, rows - r, terms, b, b_step, c + r * c_step, c_step);
  }
}

/// The same over any number of whole vectors a row: the products whose rows run along a head's dim.
template <into How, class T, class RowStep, class TermStep>
void wide_product(T const* a, RowStep row_step, TermStep term_step, index_t rows, index_t terms, T const* b,
                  index_t columns, T* c) {
  constexpr int most = sizeof(simd<T>) >= 64 ? 4 : 2;
  index_t left = columns / lanes<T>, at = 0;
  while (left > 0) {
    auto const part = [&](auto vectors) {
      product<vectors, How>(a, row_step, term_step, rows, all_terms{terms}, b + at * lanes<T>, columns,
                            c + at * lanes<T>, columns);
      left -= vectors, at += vectors;
    };
    if (most > 2 && left >= most) part(std::integral_constant<int, most>{});
    else if (left >= 2) part(std::integral_constant<int, 2>{});
    else part(std::integral_constant<int, 1>{});
  }
}

/// The added product with 0 times anything equal to 0. A NaN or an infinity then reaches only rows whose factor is not
/// 0; queries from which it is hidden keep their bits. Used for few tiles and not optimised. `columns` are whole
/// vectors.
template <class T>
void zero_wins_product(T const* a, index_t row_step, index_t term_step, index_t rows, index_t terms, T const* b,
                       index_t columns, T* c) {
  simd<T> const zero(T(0));
  for (index_t r = 0; r < rows; ++r)
    for (index_t t = 0; t < terms; ++t) {
      simd<T> const x(a[r * row_step + t * term_step]);
      if (x.get(0) == T(0)) continue;
      for (index_t n = 0; n < columns; n += lanes<T>) {  // the same fused steps as above, for the same bits
        simd<T> const y = simd<T>::load_unaligned(b + t * columns + n),
                      sum = simd<T>::load_unaligned(c + r * columns + n);
        math::select(y == zero, sum, math::fma(x, y, sum)).store_unaligned(c + r * columns + n);
      }
    }
}

/// Whether a matrix [rows, columns] with this step between its rows contains finite numbers only.
template <class T>
bool all_finite(T const* a, index_t row_step, index_t rows, index_t columns) {
  simd<T> sum(T(0));
  T rest = T(0);
  for (index_t r = 0; r < rows; ++r) {
    index_t c = 0;
    for (; c + lanes<T> <= columns; c += lanes<T>)
      sum = math::fma(simd<T>::load_unaligned(a + r * row_step + c), simd<T>(T(0)), sum);
    for (; c < columns; ++c) rest += a[r * row_step + c] * T(0);
  }
  return !math::any(!(sum == simd<T>(T(0)))) &&
         rest == T(0);  // 0 times a NaN or an infinity is a NaN, which xsimd's != misses
}

}  // namespace basin::cpu::detail
