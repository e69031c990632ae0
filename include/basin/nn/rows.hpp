// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The arguments of layers. Activations are rows x features, with any distance between rows. A layer reads views of
// const elements and writes views of the value type; it deduces T from the written views.

#include <span>
#include <type_traits>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

namespace basin::nn {

/// Read-only arguments. T is deduced from the written argument, so a mutable view or vector converts implicitly.
template <class T, int Rank>
using const_view = std::type_identity_t<view<T const, Rank>>;
template <class T>
using const_span = std::type_identity_t<std::span<T const>>;

/// Whether a result replaces the values of the output or is added to them.
enum class update { replace, add };

/// The same matrix with rows and columns exchanged; no copy.
template <class T>
view<T, 2> transposed(view<T, 2> matrix) {
  return strided(matrix.data_handle(), std::array<index_t, 2>{matrix.extent(1), matrix.extent(0)},
                 std::array<index_t, 2>{matrix.stride(1), matrix.stride(0)});
}

namespace detail {

/// Below this many values, starting threads costs more than it saves.
inline constexpr index_t worth_threads = index_t{1} << 14;

inline void require_equal(char const* function, char const* what, index_t has, char const* other, index_t needs) {
  if (has != needs)
    throw shape_error(message("basin::nn::", function, ": ", what, " is ", has, ", ", other, " is ", needs,
                              "; they must be equal"));
}

/// Features must have stride 1; rows may lie apart but must not overlap.
template <class T>
void require_rows(char const* function, char const* what, view<T, 2> x) {
  if (x.extent(0) < 0 || x.extent(1) < 1)
    throw shape_error(message("basin::nn::", function, ": ", what, " is ", x.extent(0), " x ", x.extent(1),
                              "; it needs at least one column"));
  if (x.extent(1) > 1 && x.stride(1) != 1)
    throw shape_error(message("basin::nn::", function, ": ", what, " has column stride ", x.stride(1),
                              "; it must be 1"));
  if (x.extent(0) > 1 && x.stride(0) < x.extent(1))
    throw shape_error(message("basin::nn::", function, ": ", what, " has row stride ", x.stride(0), " and ",
                              x.extent(1), " columns; rows must not overlap"));
}

template <class T, class U>
void require_same_shape(char const* function, char const* what, view<T, 2> a, char const* other, view<U, 2> b) {
  for (int r = 0; r < 2; ++r)
    if (a.extent(r) != b.extent(r))
      throw shape_error(message("basin::nn::", function, ": ", what, " is ", a.extent(0), " x ", a.extent(1), ", ",
                                other, " is ", b.extent(0), " x ", b.extent(1), "; they must be equal"));
}

template <class T>
T* row(view<T, 2> x, index_t i) {
  return x.data_handle() + i * x.stride(0);
}

}  // namespace detail
}  // namespace basin::nn
