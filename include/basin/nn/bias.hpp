// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>

#include "basin/config.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// The bias of a linear map: y_i = x_i + b for every row i.

namespace basin::nn {
namespace detail {

/// One number of the bias (or of its gradient) per column.
template <class T>
void require_bias(char const* function, char const* bias_size, std::span<T const> bias, char const* rows_name,
                  view<T const, 2> rows) {
  require_rows(function, rows_name, rows);
  require_equal(function, "the number of columns", rows.extent(1), bias_size, std::ssize(bias));
}

/// out_d += sum_i term(i)(d). Threads divide the columns: each element is summed in the order of the rows.
template <class T, class Term>
void add_column_sums(index_t rows, index_t columns, std::span<T> out, Term&& term) {
  index_t const width = 64 / static_cast<index_t>(sizeof(T)) * 2, strips = (columns + width - 1) / width;
  BASIN_OMP(parallel for schedule(static) if (rows * columns > worth_threads))
  for (index_t strip = 0; strip < strips; ++strip) {
    index_t const first = strip * width, last = std::min(columns, first + width);
    T* const to = out.data();
    for (index_t i = 0; i < rows; ++i) {
      auto const of_row = term(i);
      BASIN_OMP(simd)
      for (index_t d = first; d < last; ++d) to[d] += of_row(d);
    }
  }
}

}  // namespace detail

/// y_i += bias for every row i.
///
/// Shapes    bias [columns], y [rows, columns]
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void add_bias(host const&, const_span<T> bias, view<T, 2> y) {
  detail::require_bias<T>("add_bias", "the size of bias", bias, "y", y);
  T const* const b = bias.data();
  BASIN_OMP(parallel for schedule(static) if (y.extent(0) * y.extent(1) > detail::worth_threads))
  for (index_t i = 0; i < y.extent(0); ++i) {
    T* const out = detail::row(y, i);
    BASIN_OMP(simd)
    for (index_t d = 0; d < y.extent(1); ++d) out[d] += b[d];
  }
}

/// dbias += the sum of all rows of dy, added in the order of the rows.
///
/// Shapes    dy [rows, columns], dbias [columns]
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void bias_backward(host const&, const_view<T, 2> dy, std::span<T> dbias) {
  detail::require_bias<T>("bias_backward", "the size of dbias", dbias, "dy", dy);
  detail::add_column_sums<T>(dy.extent(0), dy.extent(1), dbias, [&](index_t i) {
    return [up = detail::row(dy, i)](index_t d) { return up[d]; };
  });
}

}  // namespace basin::nn
