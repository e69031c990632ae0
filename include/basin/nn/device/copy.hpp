// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/copy.hpp"
#include "basin/nn/device/grids.hpp"

// Counterparts of std::copy and std::fill for device memory.

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
    index_t const d = n % to.extent(3), row = n / to.extent(3), i = row % to.extent(2);
    index_t const h = row / to.extent(2) % to.extent(1), b = row / to.extent(2) / to.extent(1);
    to(b, h, i, d) = from(b, h, i, d);
  }
};

template <class T>
struct added_element {
  T const* x;
  T* y;

  BASIN_DEVICE void operator()(index_t i) const { y[i] += x[i]; }
};

template <class T>
struct added_head {
  view<T const, 4> x;
  view<T, 4> y;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const d = n % y.extent(3), row = n / y.extent(3), i = row % y.extent(2);
    index_t const h = row / y.extent(2) % y.extent(1), b = row / y.extent(2) / y.extent(1);
    y(b, h, i, d) += x(b, h, i, d);
  }
};

template <class T>
struct filled_element {
  T* to;
  T value;

  BASIN_DEVICE void operator()(index_t i) const { to[i] = value; }
};

}  // namespace detail

/// Errors    shape_error: the numbers of elements differ; then nothing is launched
template <device D, class T>
void copy(D& on, const_span<T> from, std::span<T> to) {
  detail::require_equal("copy", "the size of from", std::ssize(from), "the size of to", std::ssize(to));
  on.launch("basin::nn::copy",
            detail::each_element<detail::copied_element<T>>{std::ssize(to), {from.data(), to.data()}});
}

/// Copies heads, with any strides.
///
/// Shapes    from, to [batch, heads, length, dim]
/// Errors    shape_error; then nothing is launched
template <device D, class T>
void copy(D& on, const_view<T, 4> from, view<T, 4> to) {
  for (int r = 0; r < 4; ++r)
    detail::require_equal("copy", "an extent of from", from.extent(r), "that of to", to.extent(r));
  index_t const count = to.extent(0) * to.extent(1) * to.extent(2) * to.extent(3);
  on.launch("basin::nn::copy", detail::each_element<detail::copied_head<T>>{count, {from, to}});
}

/// y += x
///
/// Errors    shape_error: the numbers of elements differ; then nothing is launched
template <device D, class T>
void add(D& on, const_span<T> x, std::span<T> y) {
  detail::require_equal("add", "the size of x", std::ssize(x), "the size of y", std::ssize(y));
  on.launch("basin::nn::add", detail::each_element<detail::added_element<T>>{std::ssize(y), {x.data(), y.data()}});
}

/// The same of heads, with any strides.
///
/// Shapes    x, y [batch, heads, length, dim]
/// Errors    shape_error; then nothing is launched
template <device D, class T>
void add(D& on, const_view<T, 4> x, view<T, 4> y) {
  for (int r = 0; r < 4; ++r)
    detail::require_equal("add", "an extent of x", x.extent(r), "that of y", y.extent(r));
  index_t const count = y.extent(0) * y.extent(1) * y.extent(2) * y.extent(3);
  on.launch("basin::nn::add", detail::each_element<detail::added_head<T>>{count, {x, y}});
}

template <device D, class T>
void fill(D& on, std::span<T> to, std::type_identity_t<T> value) {
  on.launch("basin::nn::fill",
            detail::each_element<detail::filled_element<T>>{std::ssize(to), {to.data(), value}});
}

}  // namespace basin::nn
