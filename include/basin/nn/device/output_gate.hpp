// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/device/grids.hpp"
#include "basin/nn/output_gate.hpp"

// The sigmoid gate of nn/output_gate.hpp on a device: one thread per element; one warp per row for the gradient of a
// gate that applies to a whole row.

namespace basin::nn {
namespace detail {

/// The batch, head and query of row n of a view [batch, heads, queries, dim].
struct head_row {
  index_t batch, head, query;

  template <class T>
  BASIN_DEVICE static head_row of(view<T, 4> x, index_t n) {
    return {n / x.extent(2) / x.extent(1), n / x.extent(2) % x.extent(1), n % x.extent(2)};
  }
};

template <class T>
struct output_gate_element {
  view<T const, 4> o, gate;
  view<T, 4> y;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const dim = y.extent(3), d = n % dim, g = gate.extent(3) == 1 ? 0 : d;
    auto const [b, h, i] = head_row::of(y, n / dim);
    y(b, h, i, d) = sigmoid(gate(b, h, i, g)) * o(b, h, i, d);
  }
};

template <class T>
struct output_gate_slope_element {
  view<T const, 4> o, gate, dy;
  view<T, 4> d_o, dgate;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const dim = o.extent(3), d = n % dim;
    auto const [b, h, i] = head_row::of(o, n / dim);
    auto const slope = output_gate_slope(o(b, h, i, d), sigmoid(gate(b, h, i, d)), dy(b, h, i, d));
    d_o(b, h, i, d) = slope.o;
    dgate(b, h, i, d) = slope.gate;
  }
};

template <class T>
struct output_gate_slope_row {
  view<T const, 4> o, gate, dy;
  view<T, 4> d_o, dgate;

  template <class Lanes>
  BASIN_DEVICE void operator()(Lanes const& lanes, index_t n) const {
    auto const [b, h, i] = head_row::of(o, n);
    T const s = sigmoid(gate(b, h, i, 0));
    T mine = 0;
    for (index_t d = lanes.lane(); d < o.extent(3); d += lanes.width) {
      T const up = dy(b, h, i, d);                               // read before d_o is written: they may be the same
      mine += up * o(b, h, i, d);
      d_o(b, h, i, d) = s * up;
    }
    T const sum = lanes.sum(mine);                               // all lanes have read the gate: dgate may be the gate
    if (lanes.lane() == 0) dgate(b, h, i, 0) = row_gate_slope(s, sum);
  }
};

}  // namespace detail

/// y = sigmoid(gate) o; y may be o.
///
/// Shapes    o, y [batch, heads, queries, dim]; gate the same, or dim 1: one gate per head and query; dim has stride 1
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void output_gate_forward(D& on, const_view<T, 4> o, const_view<T, 4> gate, view<T, 4> y) {
  detail::require_output_gate_forward<T>(o, gate, y);
  index_t const count = y.extent(0) * y.extent(1) * y.extent(2) * y.extent(3);
  on.launch("basin::nn::output_gate_forward",
            detail::each_element<detail::output_gate_element<T>>{count, {o, gate, y}});
}

/// do = dy s, dgate = dy o s (1 - s) with s = sigmoid(gate), summed over dim if one gate applies to the row.
/// Overwrites; d_o may be dy, and dgate may be gate.
///
/// Shapes    o, dy, d_o [batch, heads, queries, dim]; gate and dgate the same or both of dim 1; dim has stride 1
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void output_gate_backward(D& on, const_view<T, 4> o, const_view<T, 4> gate, const_view<T, 4> dy, view<T, 4> d_o,
                          view<T, 4> dgate) {
  detail::require_output_gate_backward<T>(o, gate, dy, d_o, dgate);
  char const* const function = "basin::nn::output_gate_backward";
  index_t const rows = o.extent(0) * o.extent(1) * o.extent(2), dim = o.extent(3);
  if (detail::gates_of<T>(o, gate) == 1)
    on.launch(function, detail::each_row<detail::output_gate_slope_row<T>>{rows, {o, gate, dy, d_o, dgate}});
  else
    on.launch(function,
              detail::each_element<detail::output_gate_slope_element<T>>{rows * dim, {o, gate, dy, d_o, dgate}});
}

}  // namespace basin::nn
