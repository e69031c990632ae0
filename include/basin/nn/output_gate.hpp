// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/config.hpp"
#include "basin/nn/detail/lanes.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// The sigmoid gate after attention: y = sigmoid(gate) o, with one gate per element or one per head and query. Source:
// Qiu et al. 2025, arXiv 2505.06708. It is a layer and not a policy: gates are activations with a gradient of their
// own, no weight depends on them, and they apply after all splits of the keys are merged.

namespace basin::nn {
namespace detail {

template <class V>
BASIN_INLINE V gate_of(V x) {
  return V(1) / (V(1) + math::exp(V(0) - x));                    // if e^-x is inf, the quotient is 0
}

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
  index_t const dim = o.extent(3), gates = gate.extent(3) == 1 ? 1 : dim;
  detail::require_heads<T const>("output_gate_forward", "o", o, o, dim);
  detail::require_heads<T const>("output_gate_forward", "gate", gate, o, gates);
  detail::require_heads<T>("output_gate_forward", "y", y, o, dim);
  detail::over_rows<T>(o, [&](index_t b, index_t h, index_t i) {
    T const *from = &o(b, h, i, 0), *g = &gate(b, h, i, 0);
    T* const to = &y(b, h, i, 0);
    T const whole = gates == 1 ? detail::gate_of(*g) : T(0);
    detail::for_lanes<T>(dim, [&](auto lane, index_t d) {
      using v = decltype(lane);
      v const by = gates == 1 ? v(whole) : detail::gate_of(detail::load<v>(g + d));
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
  char const* const function = "output_gate_backward";
  index_t const dim = o.extent(3), gates = gate.extent(3) == 1 ? 1 : dim;
  detail::require_heads<T const>(function, "o", o, o, dim);
  detail::require_heads<T const>(function, "gate", gate, o, gates);
  detail::require_heads<T const>(function, "dy", dy, o, dim);
  detail::require_heads<T>(function, "d_o", d_o, o, dim);
  detail::require_heads<T>(function, "dgate", dgate, o, gates);
  detail::over_rows<T>(o, [&](index_t b, index_t h, index_t i) {
    T const *value = &o(b, h, i, 0), *g = &gate(b, h, i, 0), *from = &dy(b, h, i, 0);
    T *const to = &d_o(b, h, i, 0), *const dg = &dgate(b, h, i, 0);
    if (gates == 1) {
      T const s = detail::gate_of(*g);
      T sum = T(0);
      for (index_t d = 0; d < dim; ++d) {
        sum += from[d] * value[d];
        to[d] = s * from[d];
      }
      *dg = s * (T(1) - s) * sum;
      return;
    }
    detail::for_lanes<T>(dim, [&](auto lane, index_t d) {
      using v = decltype(lane);
      v const s = detail::gate_of(detail::load<v>(g + d)), dout = s * detail::load<v>(from + d);
      detail::store((v(1) - s) * dout * detail::load<v>(value + d), dg + d);
      detail::store(dout, to + d);
    });
  });
}

}  // namespace basin::nn
