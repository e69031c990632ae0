// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/device/grids.hpp"
#include "basin/nn/rms_norm.hpp"

// The RMS norm of nn/rms_norm.hpp on a device: one warp per row.

namespace basin::nn {
namespace detail {

template <class T>
struct rms_norm_row {
  view<T const, 2> x;
  T const* weight;
  T epsilon;
  view<T, 2> y;
  T* inverse_rms;

  template <class Lanes>
  BASIN_DEVICE void operator()(Lanes const& lanes, index_t i) const {
    index_t const dim = x.extent(1);
    T sum = 0;
    for (index_t d = lanes.lane(); d < dim; d += lanes.width) sum += x(i, d) * x(i, d);
    T const r = inverse_rms_of(lanes.sum(sum), static_cast<T>(dim), epsilon);
    if (lanes.lane() == 0) inverse_rms[i] = r;
    for (index_t d = lanes.lane(); d < dim; d += lanes.width) y(i, d) = normed(x(i, d), r, weight[d]);
  }
};

template <class T>
struct rms_norm_slope_row {
  view<T const, 2> x;
  T const *weight, *inverse_rms;
  view<T const, 2> dy;
  view<T, 2> dx;

  template <class Lanes>
  BASIN_DEVICE void operator()(Lanes const& lanes, index_t i) const {
    index_t const dim = x.extent(1);
    T sum = 0;
    for (index_t d = lanes.lane(); d < dim; d += lanes.width) sum += weight[d] * dy(i, d) * x(i, d);
    T const r = inverse_rms[i], along = along_row(lanes.sum(sum), static_cast<T>(dim), r);
    for (index_t d = lanes.lane(); d < dim; d += lanes.width)
      dx(i, d) += normed_slope(x(i, d), r, weight[d], dy(i, d), along);
  }
};

template <class T>
struct rms_norm_weight_column {
  view<T const, 2> x;
  T const* inverse_rms;
  view<T const, 2> dy;
  T* dweight;

  BASIN_DEVICE T term(index_t i, index_t d) const { return normed(dy(i, d), x(i, d), inverse_rms[i]); }
  BASIN_DEVICE void add(index_t d, T sum) const { dweight[d] += sum; }
};

}  // namespace detail

/// y_d = x_d r w_d; stores r of every row for the backward pass.
///
/// Shapes    x, y [rows, dim], weight [dim], inverse_rms [rows]
/// Errors    shape_error; value_error: epsilon < 0; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void rms_norm_forward(D& on, const_view<T, 2> x, const_span<T> weight, double epsilon, view<T, 2> y,
                      std::span<T> inverse_rms) {
  detail::require_rms_norm_forward<T>(x, weight, epsilon, y, inverse_rms);
  detail::rms_norm_row<T> const row{x, weight.data(), static_cast<T>(epsilon), y, inverse_rms.data()};
  on.launch("basin::nn::rms_norm_forward", detail::each_row<detail::rms_norm_row<T>>{x.extent(0), row});
}

/// Gradients of rms_norm_forward, added to dx and dweight.
///
/// Shapes    x, dy, dx [rows, dim], weight, dweight [dim], inverse_rms [rows] as written by rms_norm_forward
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run: sums over rows are divided by the number of rows alone
template <device D, class T>
void rms_norm_backward(D& on, const_view<T, 2> x, const_span<T> weight, const_span<T> inverse_rms, const_view<T, 2> dy,
                       view<T, 2> dx, std::span<T> dweight) {
  detail::require_rms_norm_backward<T>(x, weight, inverse_rms, dy, dx, dweight);
  detail::rms_norm_weight_column<T> const column{x, inverse_rms.data(), dy, dweight.data()};
  detail::rms_norm_slope_row<T> const row{x, weight.data(), inverse_rms.data(), dy, dx};
  on.launch("basin::nn::rms_norm_backward",
            detail::each_column<T, detail::rms_norm_weight_column<T>>{x.extent(0), x.extent(1), column});
  on.launch("basin::nn::rms_norm_backward", detail::each_row<detail::rms_norm_slope_row<T>>{x.extent(0), row});
}

}  // namespace basin::nn
