// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/core/math.hpp"

namespace basin::detail {

/// How many numbers a sum is of, and how many of them went into one accumulator at most: engines sum long rows in parts
/// and merge these, so that rounding errors grow with the parts.
template <class T>
struct counted {
  T all = T(0), longest = T(0);

  /// What rounding errors grow with.
  BASIN_HD T at_once() const { return math::select(longest == T(0), all, longest); }
  BASIN_HD void merge(counted const& from) {
    longest = math::larger(at_once(), from.at_once());
    all = all + from.all;
  }
};

/// What a sweep finds at a cut: f, and `fall`, which is -f'; the degree of the power of a distance that falls like f;
/// and, measured from the cut, a bound below the threshold, how far rounding of the sums may have thrown that, and the
/// threshold itself for the case that it lies between the same two scores as the cut (infinity where that would be
/// inexact).
template <class T>
struct sight {
  T f, fall, degree, bound, blur, root;

  /// The degree p of (edge - cut)^p from curved / straight = F F'' / F'^2 = p / (p + 1), F' = -f: a curvature that sums
  /// over few scores know, too. At most 31, which is nearly an exponential.
  BASIN_HD static T degree_of(T curved, T straight) {
    T const rest = straight - curved;
    return math::select(T(32) * rest > straight, curved / rest, T(31));
  }
  /// From the cut to where that power is 1: Newton's step on f^(1/p), which is straight there.
  BASIN_HD static T step(T f, T fall, T degree) {
    return T(0) - degree * f / fall * math::expm1(T(0) - math::log(f) / degree);
  }
};

/// How many scores exceed a cut, and the sums of what they exceed it by and of its squares.
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
  /// The same for a cut `by` higher that meets a score there: `more` is 1 if it is counted from now on, -1 if it was
  /// until now.
  BASIN_HD excess moved(T by, T more) const {
    return {{count.all + more, count.longest}, first - count.all * by, second - by * (T(2) * first - count.all * by)};
  }
  /// That of `first` as a function of the cut; of `second` it is 1 more.
  BASIN_HD T degree() const { return sight<T>::degree_of(second * count.all, T(2) * first * first); }
};

/// The threshold tau at which f(tau), a sum of powers of what scores exceed it by, is 1. Scores are measured from the
/// largest, so that -1 <= tau < 0; f is convex and falls.
///
/// A sweep looks from one cut, on either side of tau, and keeps the two scores next to it. If the root of f for the
/// scores above the cut lies between these two, it is tau. If not, tau lies beyond one of them, where the sums of the
/// sweep still say what f is: from there the search goes on. The next cut is where the power of a distance with the
/// same f, slope and curvature would be 1. That is a step of third order, as in Halley's method (which Goncalves et al.
/// 2025, arXiv 2502.12082, take within a bisection), and hits at once where scores are spread evenly. Each sweep gives
/// a bound as well, by a tangent, which lies below tau whatever side it touches, and is lowered by what rounding may
/// have added. From the fifth on every other one looks from the highest of these: Newton's method from below, which
/// rises until that is lost in rounding, so that no row is searched for ever.
template <class T>
struct threshold_search {
  T cut, low = T(-1);                                            // the cut is tau, once that is found; low <= tau
  T rest = T(0);  // what rounding took from it then: of long rows, more than a weight is
  T stage = T(0);  // sweeps so far: 0 to 4, then 3 and 4 in turns; -1: tau is found
  T above = math::highest<T>(), below = math::lowest<T>();       // the scores of a sweep that are next to the cut

  BASIN_HD threshold_search(T first = T(-0.5f)) : cut(first) {}

  BASIN_HD auto is_open() const { return stage >= T(0); }
  /// By how much a score exceeds tau, once that is found; below 0 if it does not.
  BASIN_HD BASIN_INLINE T excess_of(T score) const { return (score - cut) - rest; }

  /// Takes one score of a sweep.
  BASIN_HD BASIN_INLINE void note(T score) {
    auto const exceeds = score > cut;
    above = math::select(exceeds, math::smaller(above, score), above);
    below = math::select(exceeds, below, math::larger(score, below));
  }
  BASIN_HD void merge(threshold_search const& from) {
    above = math::smaller(above, from.above);
    below = math::larger(below, from.below);
  }

  /// Ends a sweep; look(sums) is what its sums say. True where another one is needed: a row without scores, or with a
  /// NaN, needs none.
  template <class Sums, class Look>
  BASIN_HD auto next(Sums const& sums, Look const& look) {
    sight<T> const here = look(sums);
    T const tau = cut + here.root;
    auto const open = is_open() && here.fall > T(0), found = open && tau >= below && tau < above;
    T const by = math::select(found, here.root, here.bound),
            last = cut + by;  // the latter where the search ends without a root
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
    stage = math::select(again, math::select(stage == T(4), T(3), stage + T(1)), T(-1));
    rest = math::select(again, T(0), math::select(holds, by - (last - cut), rest));
    cut = math::select(again, math::select(guess > low && guess < T(0) && stage < T(4), guess, low),
                       math::select(holds, last, cut));
    above = math::highest<T>(), below = math::lowest<T>();
    return again;
  }
};

}  // namespace basin::detail
