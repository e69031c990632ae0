// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/device/grids.hpp"
#include "basin/nn/swiglu.hpp"

// The gated unit of nn/swiglu.hpp on a device: one thread per element.

namespace basin::nn {
namespace detail {

template <class T>
struct swiglu_element {
  view<T const, 2> gate, up;
  view<T, 2> y;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const i = n / y.extent(1), d = n % y.extent(1);
    y(i, d) = swiglu(gate(i, d), up(i, d));
  }
};

template <class T>
struct swiglu_slope_element {
  view<T const, 2> gate, up, dy;
  view<T, 2> dgate, dup;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const i = n / dy.extent(1), d = n % dy.extent(1);
    auto const slope = swiglu_slope(gate(i, d), up(i, d), dy(i, d));
    dgate(i, d) = slope.gate;
    dup(i, d) = slope.up;
  }
};

}  // namespace detail

/// y = silu(gate) up
///
/// Shapes    gate, up, y [rows, hidden]; gate and up may be two halves of one buffer
/// Errors    shape_error; then nothing is launched
template <device D, class T>
void swiglu_forward(D& on, const_view<T, 2> gate, const_view<T, 2> up, view<T, 2> y) {
  detail::require_swiglu_forward<T>(gate, up, y);
  on.launch("basin::nn::swiglu_forward",
            detail::each_element<detail::swiglu_element<T>>{y.extent(0) * y.extent(1), {gate, up, y}});
}

/// The gradients of gate and up. Overwrites; dgate and dup may be gate and up.
///
/// Shapes    all [rows, hidden]
/// Errors    shape_error; then nothing is launched
template <device D, class T>
void swiglu_backward(D& on, const_view<T, 2> gate, const_view<T, 2> up, const_view<T, 2> dy, view<T, 2> dgate,
                     view<T, 2> dup) {
  detail::require_swiglu_backward<T>(gate, up, dy, dgate, dup);
  index_t const count = dy.extent(0) * dy.extent(1);
  on.launch("basin::nn::swiglu_backward",
            detail::each_element<detail::swiglu_slope_element<T>>{count, {gate, up, dy, dgate, dup}});
}

}  // namespace basin::nn
