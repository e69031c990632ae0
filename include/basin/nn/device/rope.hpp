// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/device/grids.hpp"
#include "basin/nn/rope.hpp"

// The rotary positions of nn/rope.hpp on a device: one thread per pair.

namespace basin::nn {

/// A table of nn/rope.hpp in device memory.
///
/// Shapes    cosine, sine [positions, dim / 2]
template <class T>
struct device_rope_table {
  view<T const, 2> cosine, sine;
  rope_pairing pairing = rope_pairing::halves;

  index_t positions() const { return cosine.extent(0); }
  index_t dim() const { return 2 * cosine.extent(1); }
};

namespace detail {

template <class T>
struct rope_pair {
  view<T, 4> x;
  view<T const, 2> cosine, sine;
  pair_layout pairs;
  index_t first;
  T turn;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const half = x.extent(3) / 2, d = n % half, h = n / half % x.extent(1), row = n / half / x.extent(1);
    index_t const i = row % x.extent(2), b = row / x.extent(2);
    index_t const low = d * pairs.step, high = low + pairs.distance;
    turn_pair(x(b, h, i, low), x(b, h, i, high), cosine(first + i, d), turn * sine(first + i, d));
  }
};

template <class D, class T>
void turn_on_device(D& on, char const* function, view<T, 4> x, device_rope_table<T> const& table, index_t first,
                    T turn) {
  index_t const pairs = x.extent(0) * x.extent(1) * x.extent(2) * x.extent(3) / 2;
  pair_layout const layout = layout_of(table.pairing, x.extent(3));
  on.launch(function, each_element<rope_pair<T>>{pairs, {x, table.cosine, table.sine, layout, first, turn}});
}

}  // namespace detail

/// Rotates x in place; row i of the view has position first + i.
///
/// Shapes    x [batch, heads, length, dim]; dim has stride 1, other strides are free
/// Errors    shape_error; then nothing is launched
template <device D, class T>
void rope_forward(D& on, view<T, 4> x, device_rope_table<T> const& table, index_t first = 0) {
  detail::require_rope("rope_forward", x, table, first);
  detail::turn_on_device(on, "basin::nn::rope_forward", x, table, first, T(1));
}

/// The gradient, in place: the inverse rotation; an amplitude multiplies both.
///
/// Shapes    as rope_forward
/// Errors    shape_error; then nothing is launched
template <device D, class T>
void rope_backward(D& on, view<T, 4> dx, device_rope_table<T> const& table, index_t first = 0) {
  detail::require_rope("rope_backward", dx, table, first);
  detail::turn_on_device(on, "basin::nn::rope_backward", dx, table, first, T(-1));
}

}  // namespace basin::nn
