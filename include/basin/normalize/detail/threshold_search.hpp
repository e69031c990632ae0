// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/core/math.hpp"

namespace basin::detail {

/// The number of terms of a sum, and the most terms in one accumulator: engines sum long rows in parts and merge the
/// parts, and rounding errors grow with the size of a part.
template <class T>
struct counted {
  T all = T(0), longest = T(0);

  /// The count that rounding errors grow with.
  BASIN_HD T at_once() const { return math::select(longest == T(0), all, longest); }
  BASIN_HD void merge(counted const& from) {
    longest = math::larger(at_once(), from.at_once());
    all = all + from.all;
  }
};

/// The result of a pass at a cut: f, and `fall`, which is -f'; the degree of the power of a distance that decreases
/// like f; and, relative to the cut, a lower bound of the threshold, the rounding error of that bound, and the
/// threshold itself if it lies between the same two scores as the cut (infinity if that would be inexact).
template <class T>
struct sight {
  T f, fall, degree, bound, blur, root;

  /// The degree p of (edge - cut)^p from curved / straight = F F'' / F'^2 = p / (p + 1), F' = -f: a curvature that sums
  /// over few scores determine as well. At most 31, which is nearly an exponential.
  BASIN_HD static T degree_of(T curved, T straight) {
    T const rest = straight - curved;
    return math::select(T(32) * rest > straight, curved / rest, T(31));
  }
  /// The distance from the cut to the point where that power is 1: Newton's step on f^(1/p), which is linear there.
  BASIN_HD static T step(T f, T fall, T degree) {
    return T(0) - degree * f / fall * math::expm1(T(0) - math::log(f) / degree);
  }
};

/// How many scores exceed a cut, and the sums of their excesses and of the squares of these.
template <class T>
struct excess {
  counted<T> count{};
  T first = T(0), second = T(0);

  BASIN_HD BASIN_INLINE void note(T score, T cut) {
    T const y = math::larger(T(0), score - cut);
    count.all = math::select(score > cut, count.all + T(1), count.all);
    first = first + y;
    second = math::fma(y, y, second);
  }
  BASIN_HD void merge(excess const& from) {
    count.merge(from.count);
    first = first + from.first;
    second = second + from.second;
  }
  /// The same for a cut higher by `by` that reaches a score: `more` is 1 if the score is counted from there on, -1 if
  /// it was counted until there.
  BASIN_HD excess moved(T by, T more) const {
    return {{count.all + more, count.longest}, first - count.all * by, second - by * (T(2) * first - count.all * by)};
  }
  /// The degree of `first` as a function of the cut; that of `second` is 1 more.
  BASIN_HD T degree() const { return sight<T>::degree_of(second * count.all, T(2) * first * first); }
};

/// The stages of a threshold_search: numbers, because the rows in the lanes of a SIMD batch can be at different ones.
/// Stages from `first` to `last_guess` place the next cut by a step of third order, `from_below` at the highest lower
/// bound; then last_guess and from_below alternate.
struct threshold_stage {
  static constexpr float converged = -1, first = 0, last_guess = 3, from_below = 4;
};

/// The threshold tau at which f(tau), a sum of powers of the excesses of the scores over tau, is 1. Scores are relative
/// to the largest, so that -1 <= tau < 0; f is convex and decreasing.
///
/// A pass evaluates f at one cut, on either side of tau, and keeps the two scores next to it. If the root of f for the
/// scores above the cut lies between these two, it is tau. If not, tau lies beyond one of them, where the sums of the
/// pass still determine f, and the search continues from there. The next cut is the point where the power of a distance
/// with the same f, slope and curvature would be 1. That is a step of third order, as in Halley's method (which
/// Goncalves et al. 2025, arXiv 2502.12082, use within a bisection), and is exact if scores are spread evenly. Each
/// pass also gives a lower bound by a tangent, which lies below tau on either side of it, and is lowered by the
/// possible rounding error. From the fifth pass on, every second pass starts from the highest of these bounds: Newton's
/// method from below, which increases until the step is lost in rounding, so every search ends.
template <class T>
struct threshold_search {
  T cut, low = T(-1);  // the cut is tau when the search has converged; low <= tau
  T rest = T(0);  // what rounding removed from tau: in long rows, more than a weight
  T stage = T(threshold_stage::first);
  T above = math::highest<T>(), below = math::lowest<T>();       // the scores of a pass that are next to the cut

  BASIN_HD threshold_search(T first = T(-0.5f)) : cut(first) {}

  BASIN_HD auto is_open() const { return stage >= T(threshold_stage::first); }
  /// The excess of a score over tau after convergence; negative if it is below.
  BASIN_HD BASIN_INLINE T excess_of(T score) const { return (score - cut) - rest; }

  /// Takes one score of a pass.
  BASIN_HD BASIN_INLINE void note(T score) {
    auto const exceeds = score > cut;
    above = math::select(exceeds, math::smaller(above, score), above);
    below = math::select(exceeds, below, math::larger(score, below));
  }
  BASIN_HD void merge(threshold_search const& from) {
    above = math::smaller(above, from.above);
    below = math::larger(below, from.below);
  }

  /// Ends a pass; look(sums) returns the result of its sums. Returns true if another pass is needed; a row without
  /// scores, or with a NaN, needs none.
  template <class Sums, class Look>
  BASIN_HD auto next(Sums const& sums, Look const& look) {
    sight<T> const here = look(sums);
    T const tau = cut + here.root;
    auto const open = is_open() && here.fall > T(0), found = open && tau >= below && tau < above;
    T const by = math::select(found, here.root, here.bound),
            last = cut + by;  // the latter if the search ends without a root
    auto const holds = open && last >= below && last < above;
    auto const is_sharp = here.f > T(2) || math::larger(here.bound, T(0) - here.bound) > here.blur;
    T at = cut, bound = cut + (here.bound - here.blur);
    bound = math::select(bound < T(0), bound, low);
    sight<T> seen = here;
    if constexpr (requires { sums.moved(cut, cut); }) {
      auto const is_left = here.f >= T(1);
      at = math::select(is_left, above, below);
      seen = look(sums.moved(at - cut, math::select(is_left, T(-1), T(1))));
    }
    auto const rises = bound > low, again = open && !found && is_sharp && (rises || cut > low);
    T const guess = at + sight<T>::step(seen.f, seen.fall, seen.degree);
    low = math::select(rises, bound, low);
    T const after =
        math::select(stage == T(threshold_stage::from_below), T(threshold_stage::last_guess), stage + T(1));
    stage = math::select(again, after, T(threshold_stage::converged));
    auto const guesses = guess > low && guess < T(0) && stage < T(threshold_stage::from_below);
    rest = math::select(again, T(0), math::select(holds, by - (last - cut), rest));
    cut = math::select(again, math::select(guesses, guess, low), math::select(holds, last, cut));
    above = math::highest<T>(), below = math::lowest<T>();
    return again;
  }
};

}  // namespace basin::detail
