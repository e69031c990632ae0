// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/device/grids.hpp"

// What std::copy and std::fill are to the host.

namespace basin::nn {
namespace detail {

template <class T>
struct copied_element {
  T const* from;
  T* to;

  BASIN_DEVICE void operator()(index_t i) const { to[i] = from[i]; }
};

template <class T>
struct copied_head {
  view<T const, 4> from;
  view<T, 4> to;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const d = n % to.extent(3), i = n / to.extent(3) % to.extent(2), h = n / to.extent(3) / to.extent(2) % to.extent(1), b = n / to.extent(3) / to.extent(2) / to.extent(1);
    to(b, h, i, d) = from(b, h, i, d);
  }
};

template <class T>
struct filled_element {
  T* to;
  T value;

  BASIN_DEVICE void operator()(index_t i) const { to[i] = value; }
};

}  // namespace detail

/// Errors    shape_error: another number of elements; nothing is launched then
template <device D, class T>
void copy(D& on, const_span<T> from, std::span<T> to) {
  detail::require_equal("copy", "the size of from", std::ssize(from), "the size of to", std::ssize(to));
  on.launch("basin::nn::copy", detail::each_element<detail::copied_element<T>>{std::ssize(to), {from.data(), to.data()}});
}

/// Heads, of any strides.
///
/// Shapes    from, to [batch, heads, length, dim]
/// Errors    shape_error; nothing is launched then
template <device D, class T>
void copy(D& on, const_view<T, 4> from, view<T, 4> to) {
  for (int r = 0; r < 4; ++r) detail::require_equal("copy", "an extent of from", from.extent(r), "that of to", to.extent(r));
  on.launch("basin::nn::copy", detail::each_element<detail::copied_head<T>>{to.extent(0) * to.extent(1) * to.extent(2) * to.extent(3), {from, to}});
}

template <device D, class T>
void fill(D& on, std::span<T> to, std::type_identity_t<T> value) {
  on.launch("basin::nn::fill", detail::each_element<detail::filled_element<T>>{std::ssize(to), {to.data(), value}});
}

}  // namespace basin::nn
