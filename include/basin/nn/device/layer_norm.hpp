// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/device/bias.hpp"
#include "basin/nn/device/grids.hpp"
#include "basin/nn/layer_norm.hpp"

// The layer norm of nn/layer_norm.hpp on a device: one warp per row.

namespace basin::nn {
namespace detail {

template <class T>
struct layer_norm_row {
  view<T const, 2> x;
  T const *weight, *bias;                                        // bias is null if there is none
  T epsilon;
  view<T, 2> y;
  T *mean, *inverse_std;

  template <class Lanes>
  BASIN_DEVICE void operator()(Lanes const& lanes, index_t i) const {
    index_t const dim = x.extent(1);
    T sum = 0, squares = 0;
    for (index_t d = lanes.lane(); d < dim; d += lanes.width) sum += x(i, d);
    T const m = lanes.sum(sum) / static_cast<T>(dim);
    for (index_t d = lanes.lane(); d < dim; d += lanes.width) squares += squared_deviation(x(i, d), m);
    T const r = inverse_std_of(lanes.sum(squares), static_cast<T>(dim), epsilon);
    if (lanes.lane() == 0) {
      mean[i] = m;
      inverse_std[i] = r;
    }
    for (index_t d = lanes.lane(); d < dim; d += lanes.width)
      y(i, d) = standardised(x(i, d), m, r) * weight[d] + (bias ? bias[d] : T(0));
  }
};

template <class T>
struct layer_norm_slope_row {
  view<T const, 2> x;
  T const *weight, *mean, *inverse_std;
  view<T const, 2> dy;
  view<T, 2> dx;

  template <class Lanes>
  BASIN_DEVICE void operator()(Lanes const& lanes, index_t i) const {
    index_t const dim = x.extent(1);
    T const m = mean[i], r = inverse_std[i];
    T up = 0, along = 0;
    for (index_t d = lanes.lane(); d < dim; d += lanes.width) {
      up += weight[d] * dy(i, d);
      along += weight[d] * dy(i, d) * standardised(x(i, d), m, r);
    }
    layer_norm_means<T> const means{lanes.sum(up) / static_cast<T>(dim), lanes.sum(along) / static_cast<T>(dim)};
    for (index_t d = lanes.lane(); d < dim; d += lanes.width)
      dx(i, d) += layer_norm_slope(standardised(x(i, d), m, r), r, weight[d], dy(i, d), means);
  }
};

template <class T>
struct layer_norm_weight_column {
  view<T const, 2> x;
  T const *mean, *inverse_std;
  view<T const, 2> dy;
  T* dweight;

  BASIN_DEVICE T term(index_t i, index_t d) const {
    return dy(i, d) * standardised(x(i, d), mean[i], inverse_std[i]);
  }
  BASIN_DEVICE void add(index_t d, T sum) const { dweight[d] += sum; }
};

}  // namespace detail

/// y_d = (x_d - mean) r w_d + b_d; stores mean and r of every row for the backward pass.
///
/// Shapes    x, y [rows, dim], weight [dim], bias [dim] or empty: no bias, mean, inverse_std [rows]
/// Errors    shape_error; value_error: epsilon < 0; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void layer_norm_forward(D& on, const_view<T, 2> x, const_span<T> weight, const_span<T> bias, double epsilon,
                        view<T, 2> y, std::span<T> mean, std::span<T> inverse_std) {
  detail::require_layer_norm_forward<T>(x, weight, bias, epsilon, y, mean, inverse_std);
  detail::layer_norm_row<T> const row{x, weight.data(), bias.empty() ? nullptr : bias.data(), static_cast<T>(epsilon),
                                      y, mean.data(), inverse_std.data()};
  on.launch("basin::nn::layer_norm_forward", detail::each_row<detail::layer_norm_row<T>>{x.extent(0), row});
}

/// Gradients of layer_norm_forward, added to dx, dweight and dbias.
///
/// Shapes    x, dy, dx [rows, dim], weight, dweight [dim], dbias [dim] or empty: no bias, mean and inverse_std [rows]
///           as written by layer_norm_forward
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run: sums over rows are divided by the number of rows alone
template <device D, class T>
void layer_norm_backward(D& on, const_view<T, 2> x, const_span<T> weight, const_span<T> mean,
                         const_span<T> inverse_std, const_view<T, 2> dy, view<T, 2> dx, std::span<T> dweight,
                         std::span<T> dbias) {
  detail::require_layer_norm_backward<T>(x, weight, mean, inverse_std, dy, dx, dweight, dbias);
  char const* const function = "basin::nn::layer_norm_backward";
  detail::layer_norm_weight_column<T> const column{x, mean.data(), inverse_std.data(), dy, dweight.data()};
  detail::layer_norm_slope_row<T> const row{x, weight.data(), mean.data(), inverse_std.data(), dy, dx};
  on.launch(function,
            detail::each_column<T, detail::layer_norm_weight_column<T>>{x.extent(0), x.extent(1), column});
  if (!dbias.empty()) bias_backward<D, T>(on, dy, dbias);
  on.launch(function, detail::each_row<detail::layer_norm_slope_row<T>>{x.extent(0), row});
}

}  // namespace basin::nn
