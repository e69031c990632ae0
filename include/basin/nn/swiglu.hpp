// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/config.hpp"
#include "basin/nn/detail/lanes.hpp"
#include "basin/nn/detail/sigmoid.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// The gated unit between two linear maps: y = silu(gate) up, silu(g) = g / (1 + e^-g). Source: Shazeer 2020, eq. 6.

namespace basin::nn {
namespace detail {

// The formulas of an element, for every engine.
template <class V>
BASIN_HD BASIN_INLINE V swiglu(V gate, V up) { return gate * sigmoid(gate) * up; }

template <class V>
struct swiglu_slopes {
  V gate, up;
};
template <class V>
BASIN_HD BASIN_INLINE swiglu_slopes<V> swiglu_slope(V gate, V up, V dy) {
  V const s = sigmoid(gate), dout = dy * s;
  return {dout * up * (V(1) + gate * (V(1) - s)), dout * gate};
}

template <class T>
void require_swiglu_forward(view<T const, 2> gate, view<T const, 2> up, view<T, 2> y) {
  require_rows("swiglu_forward", "gate", gate);
  require_rows("swiglu_forward", "up", up);
  require_rows("swiglu_forward", "y", y);
  require_same_shape("swiglu_forward", "gate", gate, "y", y);
  require_same_shape("swiglu_forward", "up", up, "y", y);
}

template <class T>
void require_swiglu_backward(view<T const, 2> gate, view<T const, 2> up, view<T const, 2> dy, view<T, 2> dgate,
                             view<T, 2> dup) {
  require_rows("swiglu_backward", "gate", gate);
  require_rows("swiglu_backward", "up", up);
  require_rows("swiglu_backward", "dy", dy);
  require_rows("swiglu_backward", "dgate", dgate);
  require_rows("swiglu_backward", "dup", dup);
  require_same_shape("swiglu_backward", "gate", gate, "dy", dy);
  require_same_shape("swiglu_backward", "up", up, "dy", dy);
  require_same_shape("swiglu_backward", "dgate", dgate, "dy", dy);
  require_same_shape("swiglu_backward", "dup", dup, "dy", dy);
}

}  // namespace detail

/// y = silu(gate) up
///
/// Shapes    gate, up, y [rows, hidden]; gate and up may be two halves of one buffer
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void swiglu_forward(host const&, const_view<T, 2> gate, const_view<T, 2> up, view<T, 2> y) {
  detail::require_swiglu_forward<T>(gate, up, y);
  BASIN_OMP(parallel for schedule(static) if (y.extent(0) * y.extent(1) > detail::worth_threads))
  for (index_t i = 0; i < y.extent(0); ++i) {
    T const *g = detail::row(gate, i), *u = detail::row(up, i);
    T* out = detail::row(y, i);
    detail::for_lanes<T>(y.extent(1), [&](auto lane, index_t d) {
      using v = decltype(lane);
      detail::store(detail::swiglu(detail::load<v>(g + d), detail::load<v>(u + d)), out + d);
    });
  }
}

/// dgate = dy up s (1 + gate (1 - s)), dup = dy gate s, with s = sigmoid(gate). Overwrites; dgate and dup may be gate
/// and up.
///
/// Shapes    all [rows, hidden]
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void swiglu_backward(host const&, const_view<T, 2> gate, const_view<T, 2> up, const_view<T, 2> dy, view<T, 2> dgate,
                     view<T, 2> dup) {
  detail::require_swiglu_backward<T>(gate, up, dy, dgate, dup);
  BASIN_OMP(parallel for schedule(static) if (dy.extent(0) * dy.extent(1) > detail::worth_threads))
  for (index_t i = 0; i < dy.extent(0); ++i) {
    T const *g = detail::row(gate, i), *u = detail::row(up, i), *from = detail::row(dy, i);
    T *dg = detail::row(dgate, i), *du = detail::row(dup, i);
    detail::for_lanes<T>(dy.extent(1), [&](auto lane, index_t d) {
      using v = decltype(lane);
      detail::swiglu_slopes<v> const slope =
          detail::swiglu_slope(detail::load<v>(g + d), detail::load<v>(u + d), detail::load<v>(from + d));
      detail::store(slope.gate, dg + d);
      detail::store(slope.up, du + d);
    });
  }
}

}  // namespace basin::nn
