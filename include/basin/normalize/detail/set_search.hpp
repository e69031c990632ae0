// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/core/math.hpp"

namespace basin::detail {

/// Where a set of the largest scores of a row ends: its least score lies in [low, top]. A sweep notes the neighbours of mid; what
/// the scores from mid on gather says whether they are enough. Bisection snaps to the scores it meets, so it ends exactly.
template <class T>
struct set_search {
  T low = math::lowest<T>(), top = math::lowest<T>(), mid = math::lowest<T>();
  T above = -math::minus_inf<T>(), below = math::lowest<T>();

  /// Whether this is the first sweep: mid lies below every score.
  BASIN_HD auto begins() const { return mid == math::lowest<T>(); }

  /// Takes one score of a sweep; whether it reaches mid.
  BASIN_HD auto note(T score) {
    auto const reaches = score >= mid;
    above = math::min(above, math::select(reaches, score, -math::minus_inf<T>()));
    below = math::max(below, math::select(reaches, math::lowest<T>(), score));
    return reaches;
  }

  /// Ends a sweep of a row with this largest score: were the scores from mid on `enough`, and is the set `settled`? True where
  /// another sweep is needed. The first sweep finds the smallest score; each later one halves [low, top] at least.
  template <class Mask>
  BASIN_HD auto narrow(T max, Mask enough, Mask settled) {
    T const end = math::select(begins(), max, math::select(enough, top, below));
    low = math::select(enough, above, low);
    top = math::select(settled, low, end);
    T const middle = T(0.5f) * low + T(0.5f) * top;
    mid = math::select(middle > low, middle, top);
    above = -math::minus_inf<T>();
    below = math::lowest<T>();
    return low < top;
  }

  /// Joins what two parts of a row noted in the same sweep.
  BASIN_HD void merge(set_search const& from) {
    above = math::min(above, from.above);
    below = math::max(below, from.below);
  }
};

}  // namespace basin::detail
