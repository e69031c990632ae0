// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Transposes rows into the lanes of a query tile and back, a square of numbers at a time; and reads rows of k or v in
// the form that the products need.

#include <algorithm>
#include <array>

#include "basin/cpu/detail/product.hpp"

namespace basin::cpu::detail {

/// Which queries: rows [first, first + count) of q, of one head.
struct panel_at {
  int batch = 0, head = 0;
  index_t first = 0, count = 0;
};

/// `count` numbers of one row of a view from column `first` on, then zeros.
template <class T, class View>
BASIN_INLINE simd<T> load_row(View const& from, int batch, index_t head, index_t row, index_t first, index_t count) {
  auto const* const start = &from(batch, head, row, first);
  if (from.stride(3) == 1 && count >= lanes<T>) return load_as<T>(start);
  alignas(64) T values[lanes<T>] = {};
  for (index_t d = 0; d < std::min(count, lanes<T>); ++d) values[d] = static_cast<T>(start[d * from.stride(3)]);
  return simd<T>::load_aligned(values);
}

/// Copies rows of q or dout into lanes: to[d * width + lane] = factor * from(row first + lane, d); missing lanes are 0.
template <class T, class View>
void pack_lanes(View const& from, panel_at at, index_t width, T factor, T* to) {
  index_t const dim = from.extent(3);
  std::array<simd<T>, simd<T>::size> square;
  for (index_t lane = 0; lane < width; lane += lanes<T>)
    for (index_t d = 0; d < dim; d += lanes<T>) {
      for (index_t i = 0; i < lanes<T>; ++i)
        square[static_cast<std::size_t>(i)] =
            lane + i < at.count ? load_row<T>(from, at.batch, at.head, at.first + lane + i, d, dim - d) : simd<T>(T(0));
      transpose<T>(square);
      for (index_t j = 0; j < std::min(lanes<T>, dim - d); ++j)
        (simd<T>(factor) * square[static_cast<std::size_t>(j)]).store_aligned(to + (d + j) * width + lane);
    }
}

/// The inverse: to(row first + lane, d) = factor[lane] * from[d * width + lane], rounded to the view's type.
template <class T, class View>
void unpack_lanes(T const* from, panel_at at, index_t width, simd<T> const* factor, View const& to) {
  using Storage = typename View::value_type;
  index_t const dim = to.extent(3);
  std::array<simd<T>, simd<T>::size> square;
  for (index_t lane = 0; lane < std::min(width, at.count); lane += lanes<T>)
    for (index_t d = 0; d < dim; d += lanes<T>) {
      index_t const columns = std::min(lanes<T>, dim - d);
      for (index_t j = 0; j < lanes<T>; ++j)
        square[static_cast<std::size_t>(j)] =
            j < columns ? factor[lane / lanes<T>] * simd<T>::load_aligned(from + (d + j) * width + lane)
                        : simd<T>(T(0));
      transpose<T>(square);
      for (index_t i = 0; i < std::min(lanes<T>, at.count - lane); ++i) {
        Storage* const row = &to(at.batch, at.head, at.first + lane + i, d);
        if (to.stride(3) == 1 && columns == lanes<T>) {
          store_as(square[static_cast<std::size_t>(i)], row);
        } else {
          alignas(64) T values[lanes<T>];
          square[static_cast<std::size_t>(i)].store_aligned(values);
          for (index_t j = 0; j < columns; ++j) row[j * to.stride(3)] = static_cast<Storage>(values[j]);
        }
      }
    }
}

/// into += from, and from = 0; whole vectors.
template <class T>
void move_into(T* into, T* from, index_t count) {
  for (index_t n = 0; n < count; n += lanes<T>) {
    (simd<T>::load_aligned(into + n) + simd<T>::load_aligned(from + n)).store_aligned(into + n);
    simd<T>(T(0)).store_aligned(from + n);
  }
}

/// Rows of k or v in the compute type: contiguous numbers, `step` from row to row.
template <class T>
struct row_block {
  T const* start = nullptr;
  index_t step = 0;
  T const* row(index_t r) const { return start + r * step; }
  row_block from(index_t r) const { return start == nullptr ? *this : row_block{row(r), step}; }
};

/// Whether the products can read a view in place.
template <class T, class View>
bool readable_in_place(View const& v) {
  return std::is_same_v<std::remove_const_t<typename View::element_type>, T> && v.stride(3) == 1;
}

/// Keys [first, first + count) of one head: in place, or converted into `copy` [count, dim in whole vectors].
template <class T, class View>
row_block<T> rows_of(View const& from, int batch, index_t head, index_t first, index_t count, T* copy) {
  if constexpr (std::is_same_v<std::remove_const_t<typename View::element_type>, T>)
    if (readable_in_place<T>(from)) return {&from(batch, head, first, 0), from.stride(2)};
  index_t const dim = from.extent(3), step = (dim + lanes<T> - 1) / lanes<T> * lanes<T>;
  for (index_t r = 0; r < count; ++r)
    for (index_t d = 0; d < dim; d += lanes<T>)
      load_row<T>(from, batch, head, first + r, d, dim - d).store_aligned(copy + r * step + d);
  return {copy, step};
}

/// Rows [count, dim], packed as the products of their columns read them.
template <class T>
packed_columns<T> pack_columns(row_block<T> rows, index_t count, index_t dim, T* to) {
  constexpr index_t side = packed_columns<T>::side;
  index_t const terms = packed_columns<T>::terms_for(count);
  for (index_t r = 0; r < count; ++r) {
    T const* const row = rows.row(r);
    index_t d = 0;
    for (; d + side <= dim; d += side) std::copy_n(row + d, side, to + d * terms + r * side);
    std::copy_n(row + d, dim - d, to + d * terms + r * side);
  }
  return {to, terms};
}

}  // namespace basin::cpu::detail
