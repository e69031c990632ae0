// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>

#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// std::copy and std::fill with the spelling of layers.

namespace basin::nn {

/// Errors    shape_error: the numbers of elements differ; then nothing is written
template <class T>
void copy(host const&, const_span<T> from, std::span<T> to) {
  detail::require_equal("copy", "the size of from", std::ssize(from), "the size of to", std::ssize(to));
  std::ranges::copy(from, to.begin());
}

/// Copies heads, with any strides but that of dim, which is 1.
///
/// Shapes    from, to [batch, heads, length, dim]
/// Errors    shape_error; then nothing is written
template <class T>
void copy(host const&, const_view<T, 4> from, view<T, 4> to) {
  for (int r = 0; r < 4; ++r)
    detail::require_equal("copy", "an extent of from", from.extent(r), "that of to", to.extent(r));
  for (index_t b = 0; b < from.extent(0); ++b)
    for (index_t h = 0; h < from.extent(1); ++h)
      for (index_t i = 0; i < from.extent(2); ++i) std::copy_n(&from(b, h, i, 0), from.extent(3), &to(b, h, i, 0));
}

/// y += x
///
/// Errors    shape_error: the numbers of elements differ; then nothing is written
template <class T>
void add(host const&, const_span<T> x, std::span<T> y) {
  detail::require_equal("add", "the size of x", std::ssize(x), "the size of y", std::ssize(y));
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += x[i];
}

/// The same of heads, with any strides.
///
/// Shapes    x, y [batch, heads, length, dim]
/// Errors    shape_error; then nothing is written
template <class T>
void add(host const&, const_view<T, 4> x, view<T, 4> y) {
  for (int r = 0; r < 4; ++r)
    detail::require_equal("add", "an extent of x", x.extent(r), "that of y", y.extent(r));
  for (index_t b = 0; b < y.extent(0); ++b)
    for (index_t h = 0; h < y.extent(1); ++h)
      for (index_t i = 0; i < y.extent(2); ++i)
        for (index_t d = 0; d < y.extent(3); ++d) y(b, h, i, d) += x(b, h, i, d);
}

template <class T>
void fill(host const&, std::span<T> to, std::type_identity_t<T> value) {
  std::ranges::fill(to, value);
}

}  // namespace basin::nn
