// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/device/grids.hpp"
#include "basin/nn/embedding.hpp"

// The table lookup of nn/embedding.hpp on a device.

namespace basin::nn {
namespace detail {

template <class T>
struct embedding_element {
  int const* tokens;
  view<T const, 2> table;
  view<T, 2> y;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const i = n / y.extent(1), d = n % y.extent(1);
    y(i, d) = table(tokens[i], d);
  }
};

/// An element of the table adds the gradients of all its tokens, in order: no atomics, and the same bits every time.
template <class T>
struct embedding_slope_element {
  int const* tokens;
  view<T const, 2> dy;
  view<T, 2> dtable;

  BASIN_DEVICE void operator()(index_t n) const {
    index_t const token = n / dtable.extent(1), d = n % dtable.extent(1);
    T sum = dtable(token, d);
    for (index_t i = 0; i < dy.extent(0); ++i)
      if (tokens[i] == token) sum += dy(i, d);
    dtable(token, d) = sum;
  }
};

}  // namespace detail

/// y_i = table[token_i]
///
/// Shapes    tokens [rows], table [vocabulary, dim], y [rows, dim]
/// Edges     tokens are not checked, because they are in device memory
/// Errors    shape_error; then nothing is launched
template <device D, class T>
void embedding_forward(D& on, std::span<int const> tokens, const_view<T, 2> table, view<T, 2> y) {
  detail::require_lookup_shapes("embedding_forward", tokens, "table", table, "y", y);
  on.launch("basin::nn::embedding_forward",
            detail::each_element<detail::embedding_element<T>>{y.extent(0) * y.extent(1), {tokens.data(), table, y}});
}

/// dtable[token_i] += dy_i, each element in the order of the tokens: the same bits as on the host.
///
/// Shapes    tokens [rows], dy [rows, dim], dtable [vocabulary, dim]
/// Edges     as embedding_forward
/// Cost      every element of the table compares all tokens: meant for vocabularies of bytes
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void embedding_backward(D& on, std::span<int const> tokens, const_view<T, 2> dy, view<T, 2> dtable) {
  detail::require_lookup_shapes("embedding_backward", tokens, "dtable", dtable, "dy", dy);
  index_t const count = dtable.extent(0) * dtable.extent(1);
  on.launch("basin::nn::embedding_backward",
            detail::each_element<detail::embedding_slope_element<T>>{count, {tokens.data(), dy, dtable}});
}

}  // namespace basin::nn
