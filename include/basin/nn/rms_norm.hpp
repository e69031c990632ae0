// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>

#include "basin/config.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// Root mean square normalisation: y = x r w, r = 1 / sqrt(mean(x^2) + epsilon). Source: Zhang & Sennrich 2019, eq. 4.

namespace basin::nn {
namespace detail {

// The formulas of a row, for every engine.
template <class T>
BASIN_HD BASIN_INLINE T inverse_rms_of(T squares, T dim, T epsilon) {
  return T(1) / std::sqrt(squares / dim + epsilon);
}
template <class T>
BASIN_HD BASIN_INLINE T normed(T x, T r, T w) { return x * r * w; }
/// r^2 mean(w dy x), the component of the gradient along the row, from the sum over the row.
template <class T>
BASIN_HD BASIN_INLINE T along_row(T sum, T dim, T r) { return sum / dim * r * r; }
template <class T>
BASIN_HD BASIN_INLINE T normed_slope(T x, T r, T w, T dy, T along) { return r * (w * dy - x * along); }

template <class T>
void require_rms_norm_forward(view<T const, 2> x, std::span<T const> weight, double epsilon, view<T, 2> y,
                              std::span<T> inverse_rms) {
  require_rows("rms_norm_forward", "x", x);
  require_rows("rms_norm_forward", "y", y);
  require_same_shape("rms_norm_forward", "x", x, "y", y);
  require_equal("rms_norm_forward", "the dim of x", x.extent(1), "the size of weight", std::ssize(weight));
  require_equal("rms_norm_forward", "the number of rows of x", x.extent(0), "the size of inverse_rms",
                std::ssize(inverse_rms));
  if (!(epsilon >= 0))
    throw value_error(message("basin::nn::rms_norm_forward: epsilon is ", epsilon, "; it must be >= 0"));
}

template <class T>
void require_rms_norm_backward(view<T const, 2> x, std::span<T const> weight, std::span<T const> inverse_rms,
                               view<T const, 2> dy, view<T, 2> dx, std::span<T> dweight) {
  require_rows("rms_norm_backward", "x", x);
  require_rows("rms_norm_backward", "dy", dy);
  require_rows("rms_norm_backward", "dx", dx);
  require_same_shape("rms_norm_backward", "x", x, "dy", dy);
  require_same_shape("rms_norm_backward", "x", x, "dx", dx);
  require_equal("rms_norm_backward", "the dim of x", x.extent(1), "the size of weight", std::ssize(weight));
  require_equal("rms_norm_backward", "the dim of x", x.extent(1), "the size of dweight", std::ssize(dweight));
  require_equal("rms_norm_backward", "the number of rows of x", x.extent(0), "the size of inverse_rms",
                std::ssize(inverse_rms));
}

}  // namespace detail

/// y_d = x_d r w_d; stores r of every row for the backward pass.
///
/// Shapes    x, y [rows, dim], weight [dim], inverse_rms [rows]
/// Edges     a row of zeros gives zeros if epsilon > 0
/// Errors    shape_error; value_error: epsilon < 0; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void rms_norm_forward(host const&, const_view<T, 2> x, const_span<T> weight, double epsilon, view<T, 2> y,
                      std::span<T> inverse_rms) {
  detail::require_rms_norm_forward<T>(x, weight, epsilon, y, inverse_rms);
  index_t const rows = x.extent(0), dim = x.extent(1);
  T const* w = weight.data();
  BASIN_OMP(parallel for schedule(static) if (rows * dim > detail::worth_threads))
  for (index_t i = 0; i < rows; ++i) {
    T const* in = detail::row(x, i);
    T* out = detail::row(y, i);
    T sum = 0;
    BASIN_OMP(simd reduction(+ : sum))
    for (index_t d = 0; d < dim; ++d) sum += in[d] * in[d];
    T const r = detail::inverse_rms_of(sum, static_cast<T>(dim), static_cast<T>(epsilon));
    inverse_rms[i] = r;
    BASIN_OMP(simd)
    for (index_t d = 0; d < dim; ++d) out[d] = detail::normed(in[d], r, w[d]);
  }
}

namespace detail {

/// dx_d += r (w_d dy_d - x_d r^2 mean(w dy x))
template <class T>
void rms_norm_backward_input(view<T const, 2> x, std::span<T const> weight, std::span<T const> inverse_rms,
                             view<T const, 2> dy, view<T, 2> dx) {
  index_t const rows = x.extent(0), dim = x.extent(1);
  T const* w = weight.data();
  BASIN_OMP(parallel for schedule(static) if (rows * dim > worth_threads))
  for (index_t i = 0; i < rows; ++i) {
    T const *in = row(x, i), *up = row(dy, i);
    T* out = row(dx, i);
    T sum = 0;
    BASIN_OMP(simd reduction(+ : sum))
    for (index_t d = 0; d < dim; ++d) sum += w[d] * up[d] * in[d];
    T const r = inverse_rms[i], along = along_row(sum, static_cast<T>(dim), r);
    BASIN_OMP(simd)
    for (index_t d = 0; d < dim; ++d) out[d] += normed_slope(in[d], r, w[d], up[d], along);
  }
}

/// dw_d += sum_i dy_id x_id r_i. Threads divide the columns: each element is summed in the order of the rows.
template <class T>
void rms_norm_backward_weight(view<T const, 2> x, std::span<T const> inverse_rms, view<T const, 2> dy,
                              std::span<T> dweight) {
  index_t const rows = x.extent(0), dim = x.extent(1), width = 64 / static_cast<index_t>(sizeof(T)) * 2;
  index_t const strips = (dim + width - 1) / width;
  BASIN_OMP(parallel for schedule(static) if (rows * dim > worth_threads))
  for (index_t strip = 0; strip < strips; ++strip) {
    index_t const first = strip * width, last = std::min(dim, first + width);
    T* out = dweight.data();
    for (index_t i = 0; i < rows; ++i) {
      T const *in = row(x, i), *up = row(dy, i);
      T const r = inverse_rms[i];
      BASIN_OMP(simd)
      for (index_t d = first; d < last; ++d) out[d] += normed(up[d], in[d], r);
    }
  }
}

}  // namespace detail

/// Gradients of rms_norm_forward, added to dweight and to dx, because the residual stream x has a gradient already.
///
/// Shapes    x, dy, dx [rows, dim], weight, dweight [dim], inverse_rms [rows] as written by rms_norm_forward
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void rms_norm_backward(host const&, const_view<T, 2> x, const_span<T> weight, const_span<T> inverse_rms,
                       const_view<T, 2> dy, view<T, 2> dx, std::span<T> dweight) {
  detail::require_rms_norm_backward<T>(x, weight, inverse_rms, dy, dx, dweight);
  detail::rms_norm_backward_weight<T>(x, inverse_rms, dy, dweight);
  detail::rms_norm_backward_input<T>(x, weight, inverse_rms, dy, dx);
}

}  // namespace basin::nn
