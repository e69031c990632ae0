// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstddef>

#include "basin/core/view.hpp"

namespace basin::lm {

/// Columns [first, first + count) of every row.
template <class T>
view<T, 2> columns_of(view<T, 2> rows, index_t first, index_t count) {
  return strided(rows.data_handle() + first, std::array<index_t, 2>{rows.extent(0), count},
                 std::array<index_t, 2>{rows.stride(0), 1});
}

/// Rows [first, first + count).
template <class T>
view<T, 2> rows_of(view<T, 2> matrix, index_t first, index_t count) {
  return strided(matrix.data_handle() + first * matrix.stride(0), std::array<index_t, 2>{count, matrix.extent(1)},
                 std::array<index_t, 2>{matrix.stride(0), 1});
}

/// Elements [first, first + count) of one axis; a view of no memory stays as it is.
template <int Axis, class View>
View part_of(View const& of, index_t first, index_t count) {
  if (of.data_handle() == nullptr) return of;
  constexpr std::size_t rank = View::rank();
  std::array<index_t, rank> extents, strides;
  for (std::size_t r = 0; r < rank; ++r) extents[r] = of.extent(r), strides[r] = of.stride(r);
  extents[Axis] = count;
  return strided(of.data_handle() + first * strides[Axis], extents, strides);
}

/// Rows of tokens as attention reads them: `heads` heads of `dim` columns each, from column `first` on.
/// // [batch, heads, length, dim]
template <class T>
view<T, 4> heads_of(view<T, 2> rows, index_t batch, index_t first, index_t heads, index_t dim) {
  index_t const length = rows.extent(0) / batch, step = rows.stride(0);
  return strided(rows.data_handle() + first, std::array<index_t, 4>{batch, heads, length, dim},
                 std::array<index_t, 4>{length * step, dim, step, 1});
}

}  // namespace basin::lm
