// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/core/math.hpp"

namespace basin::detail {

/// Where a set of the largest scores of a row ends: its least score lies in [low, top]. A sweep notes the neighbours of mid; what
/// the scores from mid on gather says whether they are enough: always so in the first sweep. The search snaps to the scores it
/// meets, so it ends exactly; a row with a NaN ends at once.
template <class T>
struct set_search {
  T low = math::lowest<T>(), top = math::lowest<T>(), mid = math::lowest<T>();
  T above = -math::minus_inf<T>(), below = math::lowest<T>();

  /// Whether this is the first sweep: mid lies below every score.
  BASIN_HD auto begins() const { return mid == math::lowest<T>(); }

  /// Takes one score of a sweep; whether it reaches mid.
  BASIN_HD auto note(T score) {
    auto const reaches = score >= mid;
    above = math::select(reaches, math::smaller(above, score), above);  // one masked instruction each; a NaN has ended the search:
    below = math::select(reaches, below, math::larger(below, score));   // it is the largest score of its row
    return reaches;
  }

  /// Ends a sweep of a row with this largest score: were the scores from mid on `enough`, and is the set `settled`? True where
  /// another sweep is needed. The first sweep finds the smallest score; each later one looks at the share `lean` of the way from low
  /// to top, half of it unless told otherwise.
  template <class Mask>
  BASIN_HD auto narrow(T max, Mask enough, Mask settled, T lean = T(0.5f)) {
    auto const open = begins() || low < top;                     // a row that has ended stays so while others are searched
    T const end = math::select(begins(), max, math::select(enough, top, below)), start = math::select(enough, above, low);
    top = math::select(open, math::select(settled, start, end), top);
    low = math::select(open, start, low);
    T const middle = (T(1) - lean) * low + lean * top;
    mid = math::select(low < top, math::select(middle > low, math::min(middle, top), top), low);
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
