// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/core/simd.hpp"
#include "basin/core/view.hpp"

namespace basin::nn::detail {

/// Calls op(lane_type, offset) over [0, n): first for whole SIMD batches, then for scalars. One generic lambda works
/// for both, through load<V>, store and basin::math.
template <class T, class Op>
BASIN_INLINE void for_lanes(index_t n, Op&& op) {
  constexpr index_t width = static_cast<index_t>(simd<T>::size);
  index_t d = 0;
  for (; d + width <= n; d += width) op(simd<T>{}, d);
  for (; d < n; ++d) op(T{}, d);
}

template <class V, class T>
BASIN_INLINE V load(T const* from) {
  if constexpr (std::is_same_v<V, T>) return *from;
  else return V::load_unaligned(from);
}
template <class V, class T>
BASIN_INLINE void store(V value, T* to) {
  if constexpr (std::is_same_v<V, T>) *to = value;
  else value.store_unaligned(to);
}

}  // namespace basin::nn::detail
