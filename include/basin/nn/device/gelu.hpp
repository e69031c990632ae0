// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/device/grids.hpp"
#include "basin/nn/gelu.hpp"

// The Gaussian error linear unit of nn/gelu.hpp on a device: one thread per element.

namespace basin::nn {
namespace detail {

/// Gelu: exact_gelu or tanh_gelu.
template <class T, class Gelu>
struct gelu_element {
  view<T const, 2> x;
  view<T, 2> y;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const i = n / y.extent(1), d = n % y.extent(1);
    y(i, d) = Gelu::value(x(i, d));
  }
};

template <class T, class Gelu>
struct gelu_slope_element {
  view<T const, 2> x, dy;
  view<T, 2> dx;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const i = n / dx.extent(1), d = n % dx.extent(1);
    dx(i, d) = dy(i, d) * Gelu::slope(x(i, d));
  }
};

}  // namespace detail

/// y = gelu(x); y may be x.
///
/// Shapes    x, y [rows, hidden]
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void gelu_forward(D& on, gelu_form form, const_view<T, 2> x, view<T, 2> y) {
  detail::require_gelu_forward<T>(x, y);
  detail::with_gelu(form, [&]<class Gelu>(Gelu) {
    on.launch("basin::nn::gelu_forward",
              detail::each_element<detail::gelu_element<T, Gelu>>{y.extent(0) * y.extent(1), {x, y}});
  });
}

/// dx = dy gelu'(x). Overwrites; dx may be x or dy.
///
/// Shapes    x, dy, dx [rows, hidden]
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void gelu_backward(D& on, gelu_form form, const_view<T, 2> x, const_view<T, 2> dy, view<T, 2> dx) {
  detail::require_gelu_backward<T>(x, dy, dx);
  detail::with_gelu(form, [&]<class Gelu>(Gelu) {
    on.launch("basin::nn::gelu_backward",
              detail::each_element<detail::gelu_slope_element<T, Gelu>>{dx.extent(0) * dx.extent(1), {x, dy, dx}});
  });
}

}  // namespace basin::nn
