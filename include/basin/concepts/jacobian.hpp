// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The Jacobian of the weights of a row in its scores: a diagonal matrix minus one of low rank. A normalizer returns the
// numbers of one score. Engines apply the Jacobian in two passes over the scores: gather(), then score_gradient().

#include <cstddef>
#include <cuda/std/array>

#include "basin/core/math.hpp"

namespace basin {

/// The Jacobian of the weights of a row in its scores, diagonal minus rank one:
/// ds_j = diag_j * dw_j - outer_j * delta, delta = sum_k carry_k * dw_k   (ds, dw: gradients of a loss).
template <class T>
struct jacobian_terms {
  T diag, outer, carry;
};

/// The same, diagonal minus rank `Rank`; rank 0 is a diagonal matrix:
/// ds_j = diag_j * dw_j - sum_r outer_jr * delta_r, delta_r = sum_k carry_kr * dw_k.
template <class T, std::size_t Rank>
struct low_rank_jacobian {
  static constexpr std::size_t rank = Rank;
  T diag;
  cuda::std::array<T, Rank> outer{}, carry{};
};

/// Converts both kinds of Jacobian to one type.
template <class T>
BASIN_HD low_rank_jacobian<T, 1> as_low_rank(jacobian_terms<T> const& j) {
  return {j.diag, {j.outer}, {j.carry}};
}
template <class T, std::size_t Rank>
BASIN_HD low_rank_jacobian<T, Rank> as_low_rank(low_rank_jacobian<T, Rank> const& j) {
  return j;
}

/// delta_r += carry_kr * dw_k.
template <class T, std::size_t Rank>
BASIN_HD BASIN_INLINE void gather(cuda::std::array<T, Rank>& delta, low_rank_jacobian<T, Rank> const& j, T dweight) {
  for (int r = 0; r < static_cast<int>(Rank); ++r) delta[r] = math::fma(j.carry[r], dweight, delta[r]);
}
/// ds_j, given the complete delta.
template <class T, std::size_t Rank>
BASIN_HD BASIN_INLINE T score_gradient(low_rank_jacobian<T, Rank> const& j, T dweight,
                                       cuda::std::array<T, Rank> const& delta) {
  if constexpr (Rank == 0) {
    return j.diag * dweight;
  } else {
    T sum = j.outer[0] * delta[0];
    for (int r = 1; r < static_cast<int>(Rank); ++r) sum = math::fma(j.outer[r], delta[r], sum);
    return j.diag * dweight - sum;
  }
}

/// The chain rule for a normalizer whose argument is `slope` times the score.
template <class T>
BASIN_HD jacobian_terms<T> through_slope(jacobian_terms<T> const& j, T slope) {
  return {slope * j.diag, slope * j.outer, j.carry};
}
template <class T, std::size_t Rank>
BASIN_HD low_rank_jacobian<T, Rank> through_slope(low_rank_jacobian<T, Rank> j, T slope) {
  j.diag = slope * j.diag;
  for (int r = 0; r < static_cast<int>(Rank); ++r) j.outer[r] = slope * j.outer[r];
  return j;
}

}  // namespace basin
