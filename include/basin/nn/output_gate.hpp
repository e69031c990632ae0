// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/config.hpp"
#include "basin/nn/detail/lanes.hpp"
#include "basin/nn/detail/sigmoid.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// The sigmoid gate after attention: y = sigmoid(gate) o, with one gate per element or one per head and query. Source:
// Qiu et al. 2025, arXiv 2505.06708. It is a layer and not a policy: gates are activations with a gradient of their
// own, no weight depends on them, and they apply after all splits of the keys are merged.

namespace basin::nn {
namespace detail {

// The formulas of an element, for every engine; s = sigmoid(gate).
template <class V>
struct output_gate_slopes {
  V o, gate;
};
template <class V>
BASIN_HD BASIN_INLINE output_gate_slopes<V> output_gate_slope(V o, V s, V dy) {
  V const d_o = s * dy;
  return {d_o, (V(1) - s) * d_o * o};
}
/// The gradient of a gate of a whole row from sum_d dy_d o_d.
template <class V>
BASIN_HD BASIN_INLINE V row_gate_slope(V s, V sum) { return s * (V(1) - s) * sum; }

/// All views are [batch, heads, queries, dim] with dim of stride 1; a gate of dim 1 applies to the whole row.
template <class T>
void require_heads(char const* function, char const* what, view<T, 4> x, view<T const, 4> o, index_t dim) {
  for (int r = 0; r < 4; ++r) {
    index_t const needs = r == 3 ? dim : o.extent(r);
    if (x.extent(r) != needs)
      throw shape_error(message("basin::nn::", function, ": extent ", r, " of ", what, " is ", x.extent(r), ", ", needs,
                                " is needed: the extents of o, and for a gate and its gradient dim 1 or that of o"));
  }
  if (x.extent(3) > 1 && x.stride(3) != 1)
    throw shape_error(message("basin::nn::", function, ": ", what, " has dim stride ", x.stride(3), "; it must be 1"));
}

/// 1 if one gate applies to a whole row, else the dim of o.
template <class T>
index_t gates_of(view<T const, 4> o, view<T const, 4> gate) {
  return gate.extent(3) == 1 ? 1 : o.extent(3);
}

template <class T>
void require_output_gate_forward(view<T const, 4> o, view<T const, 4> gate, view<T, 4> y) {
  char const* const function = "output_gate_forward";
  require_heads<T const>(function, "o", o, o, o.extent(3));
  require_heads<T const>(function, "gate", gate, o, gates_of(o, gate));
  require_heads<T>(function, "y", y, o, o.extent(3));
}

template <class T>
void require_output_gate_backward(view<T const, 4> o, view<T const, 4> gate, view<T const, 4> dy, view<T, 4> d_o,
                                  view<T, 4> dgate) {
  char const* const function = "output_gate_backward";
  index_t const dim = o.extent(3), gates = gates_of(o, gate);
  require_heads<T const>(function, "o", o, o, dim);
  require_heads<T const>(function, "gate", gate, o, gates);
  require_heads<T const>(function, "dy", dy, o, dim);
  require_heads<T>(function, "d_o", d_o, o, dim);
  require_heads<T>(function, "dgate", dgate, o, gates);
}

/// Calls f(batch, head, query) for every row, in parallel.
template <class T, class F>
void over_rows(view<T const, 4> o, F&& f) {
  index_t const rows = o.extent(0) * o.extent(1) * o.extent(2);
  BASIN_OMP(parallel for schedule(static) if (rows * o.extent(3) > worth_threads))
  for (index_t n = 0; n < rows; ++n)
    f(n / (o.extent(1) * o.extent(2)), n / o.extent(2) % o.extent(1), n % o.extent(2));
}

}  // namespace detail

/// y = sigmoid(gate) o; y may be o.
///
/// Shapes    o, y [batch, heads, queries, dim]; gate the same, or dim 1: one gate per head and query; dim has stride 1
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void output_gate_forward(host const&, const_view<T, 4> o, const_view<T, 4> gate, view<T, 4> y) {
  detail::require_output_gate_forward<T>(o, gate, y);
  index_t const dim = o.extent(3), gates = detail::gates_of<T>(o, gate);
  detail::over_rows<T>(o, [&](index_t b, index_t h, index_t i) {
    T const *from = &o(b, h, i, 0), *g = &gate(b, h, i, 0);
    T* const to = &y(b, h, i, 0);
    T const whole = gates == 1 ? detail::sigmoid(*g) : T(0);
    detail::for_lanes<T>(dim, [&](auto lane, index_t d) {
      using v = decltype(lane);
      v const by = gates == 1 ? v(whole) : detail::sigmoid(detail::load<v>(g + d));
      detail::store(by * detail::load<v>(from + d), to + d);
    });
  });
}

/// do = dy s, dgate = dy o s (1 - s) with s = sigmoid(gate), summed over dim if one gate applies to the row.
/// Overwrites; d_o may be dy, and dgate may be gate.
///
/// Shapes    o, dy, d_o [batch, heads, queries, dim]; gate and dgate the same or both of dim 1; dim has stride 1
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void output_gate_backward(host const&, const_view<T, 4> o, const_view<T, 4> gate, const_view<T, 4> dy, view<T, 4> d_o,
                          view<T, 4> dgate) {
  detail::require_output_gate_backward<T>(o, gate, dy, d_o, dgate);
  index_t const dim = o.extent(3), gates = detail::gates_of<T>(o, gate);
  detail::over_rows<T>(o, [&](index_t b, index_t h, index_t i) {
    T const *value = &o(b, h, i, 0), *g = &gate(b, h, i, 0), *from = &dy(b, h, i, 0);
    T *const to = &d_o(b, h, i, 0), *const dg = &dgate(b, h, i, 0);
    if (gates == 1) {
      T const s = detail::sigmoid(*g);
      T sum = T(0);
      for (index_t d = 0; d < dim; ++d) {
        sum += from[d] * value[d];
        to[d] = s * from[d];
      }
      *dg = detail::row_gate_slope(s, sum);
      return;
    }
    detail::for_lanes<T>(dim, [&](auto lane, index_t d) {
      using v = decltype(lane);
      v const s = detail::sigmoid(detail::load<v>(g + d));
      detail::output_gate_slopes<v> const slope =
          detail::output_gate_slope(detail::load<v>(value + d), s, detail::load<v>(from + d));
      detail::store(slope.gate, dg + d);
      detail::store(slope.o, to + d);
    });
  });
}

}  // namespace basin::nn
