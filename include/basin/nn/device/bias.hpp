// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/bias.hpp"
#include "basin/nn/device/grids.hpp"

// The bias of nn/bias.hpp on a device.

namespace basin::nn {
namespace detail {

template <class T>
struct bias_element {
  T const* bias;
  view<T, 2> y;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const i = n / y.extent(1), d = n % y.extent(1);
    y(i, d) += bias[d];
  }
};

template <class T>
struct bias_column {
  view<T const, 2> dy;
  T* dbias;

  BASIN_DEVICE T term(index_t i, index_t d) const { return dy(i, d); }
  BASIN_DEVICE void add(index_t d, T sum) const { dbias[d] += sum; }
};

}  // namespace detail

/// y_i += bias for every row i.
///
/// Shapes    bias [columns], y [rows, columns]
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void add_bias(D& on, const_span<T> bias, view<T, 2> y) {
  detail::require_bias<T>("add_bias", "the size of bias", bias, "y", y);
  on.launch("basin::nn::add_bias",
            detail::each_element<detail::bias_element<T>>{y.extent(0) * y.extent(1), {bias.data(), y}});
}

/// dbias += the sum of all rows of dy.
///
/// Shapes    dy [rows, columns], dbias [columns]
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run: sums over rows are divided by the number of rows alone
template <device D, class T>
void bias_backward(D& on, const_view<T, 2> dy, std::span<T> dbias) {
  detail::require_bias<T>("bias_backward", "the size of dbias", dbias, "dy", dy);
  on.launch("basin::nn::bias_backward", detail::each_column<T, detail::bias_column<T>>{dy.extent(0), dy.extent(1),
                                                                                       {dy, dbias.data()}});
}

}  // namespace basin::nn
