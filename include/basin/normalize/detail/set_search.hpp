// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda/std/array>

#include "basin/core/math.hpp"

namespace basin::detail {

/// The stages of a set_search: numbers, because the rows in the lanes of a SIMD batch can be at different ones. After
/// the measure stage, passes follow in a cycle of three. A guess places the cuts by interpolation.
struct set_stage {
  static constexpr float measuring = -1, guess_and_keep = 0, guess = 1, even = 2, done = 3;
};

/// Finds the threshold of a row: the largest one for which the weights of the scores at or above it sum to `wanted` or
/// more.
///
/// A pass sums the weights at or above each of four cuts (candidate thresholds). `high` is the lowest cut whose sum is
/// too small, `low` the highest cut whose sum is enough. Two of three passes also keep the eight largest scores between
/// them; the third does so if few scores lie there. If the threshold is among the kept scores, the search ends exactly.
/// Cuts are placed where the sum would be slightly less and slightly more than `wanted` if the scores were normally
/// distributed: in the first pass by their mean and variance; then by interpolation between `low` and `high` on the
/// scale of normal quantiles, on which the cut is linear in the quantile of the sum. Every third pass divides the
/// interval evenly, so that every search ends. A score that is NaN adds nothing.
template <class T>
struct set_search {
  static constexpr int cuts = 4, nearest = 8;

  T stage = T(set_stage::measuring);
  T high = T(0) - math::minus_inf<T>(), over = T(0);             // scores >= high have the sum `over`: too small
  T low = math::lowest<T>(), under = math::highest<T>();         // scores >= low have the sum `under`: enough
                                                                 // (low is the threshold when the search is done)
  T keys = T(1 << 20);                                           // the number of scores; an estimate until measured
  cuda::std::array<T, cuts> cut{}, gathered{};                   // gathered: sum of weights from each cut on; while
                                                                 // measuring: count, sum, sum of squares, minimum
  cuda::std::array<T, nearest> near{};                           // the largest scores between low and high, in order;
                                                                 // inf if this pass does not keep them

  BASIN_HD set_search() {
    cut.fill(math::lowest<T>());
    gathered[cuts - 1] = math::highest<T>();
    near.fill(T(0) - math::minus_inf<T>());
  }

  BASIN_HD auto is_measuring() const { return stage < T(set_stage::guess_and_keep); }
  /// Whether the row needs another pass.
  BASIN_HD auto is_open() const { return stage < T(set_stage::done); }

  /// Takes one score of a pass, and its weight.
  BASIN_HD BASIN_INLINE void note(T score, T weight) {
    BASIN_UNROLL
    for (int c = 0; c < cuts; ++c) gathered[c] = math::select(score >= cut[c], gathered[c] + weight, gathered[c]);
    if (math::any(score > near[nearest - 1] && score < high)) keep(math::select(score < high, score, low));
  }
  /// Takes one score of the measure stage.
  BASIN_HD BASIN_INLINE void measure(T score) {
    auto const counts = score > math::minus_inf<T>();
    gathered[0] = math::select(counts, gathered[0] + T(1), gathered[0]);
    gathered[1] = math::select(counts, gathered[1] + score, gathered[1]);
    gathered[2] = math::select(counts, math::fma(score, score, gathered[2]), gathered[2]);
    gathered[3] = math::select(counts, math::smaller(gathered[3], score), gathered[3]);
  }
  BASIN_HD T measured_keys() const { return gathered[0]; }
  BASIN_HD void merge(set_search const& from) {
    T const least = math::smaller(gathered[3], from.gathered[3]);
    BASIN_UNROLL
    for (int c = 0; c < cuts; ++c) gathered[c] = gathered[c] + from.gathered[c];
    gathered[3] = math::select(is_measuring(), least, gathered[3]);
    BASIN_UNROLL
    for (int n = 0; n < nearest; ++n)
      if (math::any(from.near[n] > near[nearest - 1])) keep(from.near[n]);
  }

  /// Ends a pass; true where another one is needed. `max` is the largest score. `target` has
  ///   wanted, total        the sum of weights to reach, and that of all weights;
  ///   weight_of(score)     the weight that was passed to note();
  ///   few                  the largest sum between high and low that counts as few scores;
  ///   shift, spread_of(x)  cuts are placed at sums around wanted - shift, at distances in units of spread_of(the sum
  ///                        between high and low)
  template <class Target>
  BASIN_HD auto next(T max, Target const& target) {
    if (math::any(is_measuring())) return begin_unaimed(max);
    auto const was_open = is_open();
    answer result;
    look_among_nearest(target, result);
    narrow(target.wanted, was_open);
    under = math::smaller(under, target.total);
    T const top = math::smaller(high, max), middle = T(0.5f) * top + T(0.5f) * low;
    result.settle(under == target.wanted || !(middle > low && middle < high), low);
    low = math::select(was_open && result.found > T(0), result.threshold, low);
    auto const after = math::select(stage == T(set_stage::even), T(set_stage::guess_and_keep), stage + T(1));
    stage = math::select(was_open && result.found == T(0), after, T(set_stage::done));
    guess_cuts(top, target);
    return is_open();
  }

  /// Begins the search of a measured row, where `search` is true; where it is false, the search is done and keeps all
  /// scores. The first pass keeps the nearest scores where `looks` is true. Cut c is quantile_of(c, deviation) standard
  /// deviations above the mean.
  template <class Mask, class Quantile>
  BASIN_HD void begin(T max, Mask search, Mask looks, Quantile const& quantile_of) {
    keys = math::larger(gathered[0], T(1));
    T const mean = gathered[1] / keys, deviation = math::sqrt(math::larger(T(0), gathered[2] / keys - mean * mean));
    low = math::select(search, gathered[3], math::lowest<T>());
    stage = math::select(search, T(set_stage::guess_and_keep), T(set_stage::done));
    aim_cuts(max, T(0), [&](int c) { return math::fma(deviation, quantile_of(c, deviation), mean); });
    near.fill(math::select(search && looks, low, T(0) - math::minus_inf<T>()));
  }
  /// Moves the last cut below all scores, so that the first pass computes the sum of all weights.
  BASIN_HD void lower_last_cut() {
    cut[cuts - 1] = math::select(is_open(), math::lowest<T>(), cut[cuts - 1]);
  }

  /// The z that a share of normally distributed numbers exceeds (Hastings 1955, sheet 67). The share is clamped to
  /// [nearest_share, 1 - nearest_share].
  BASIN_HD static T quantile(T share, T nearest_share) {
    share = math::larger(nearest_share, math::smaller(share, T(1) - nearest_share));
    auto const upper = share < T(0.5f);
    T const t = math::sqrt(T(-2) * math::log(math::select(upper, share, T(1) - share)));
    T const z = t - (T(2.30753f) + T(0.27061f) * t) / (T(1) + t * (T(0.99229f) + T(0.04481f) * t));
    return math::select(upper, z, T(0) - z);
  }

 private:
  /// The first threshold that was found, where `found` is 1.
  struct answer {
    T found = T(0), threshold = math::lowest<T>();

    template <class Mask>
    BASIN_HD BASIN_INLINE void settle(Mask here, T at) {
      auto const first = here && found == T(0);
      threshold = math::select(first, at, threshold);
      found = math::select(first, T(1), found);
    }
  };

  /// For decorators that do not forward aim(): discards what the pass gathered, and begins the search without moments.
  BASIN_HD auto begin_unaimed(T max) {
    stage = T(set_stage::guess_and_keep);
    low = math::lowest<T>(), high = T(0) - math::minus_inf<T>();
    gathered.fill(T(0));
    near.fill(low);
    BASIN_UNROLL
    for (int c = 0; c < cuts; ++c) cut[c] = c + 1 < cuts ? max - T(c == 0 ? 1.0f : c == 1 ? 4.0f : 16.0f) : low;
    return is_open();
  }
  BASIN_HD BASIN_INLINE void keep(T score) {
    BASIN_UNROLL
    for (int n = 0; n < nearest; ++n) {
      T const larger = math::larger(near[n], score);
      score = math::smaller(near[n], score);
      near[n] = larger;
    }
  }
  /// Looks for the threshold among the nearest scores: midway between the score that makes the sum enough and the next
  /// score, so that a score that is rounded differently elsewhere falls on the same side.
  template <class Target>
  BASIN_HD void look_among_nearest(Target const& target, answer& result) const {
    auto const looked = near[0] < T(0) - math::minus_inf<T>();
    T sum = over;
    BASIN_UNROLL
    for (int n = 0; n < nearest; ++n) {
      auto const is_score = near[n] > low;
      sum = sum + math::select(is_score, target.weight_of(near[n]), T(0));
      T const after = near[n + 1 < nearest ? n + 1 : n], between = T(0.5f) * near[n] + T(0.5f) * after;
      T const threshold = math::select(between > after && between <= near[n], between, near[n]);
      result.settle(looked && is_score && sum >= target.wanted, threshold);
    }
    result.settle(looked && near[nearest - 1] <= low, low);      // near holds all scores between low and high
  }
  /// Moves low and high to cuts, by their sums.
  template <class Mask>
  BASIN_HD BASIN_INLINE void narrow(T wanted, Mask was_open) {
    BASIN_UNROLL
    for (int c = 0; c < cuts; ++c) {
      auto const enough = gathered[c] >= wanted;
      auto const raises = was_open && enough && cut[c] >= low, lowers = was_open && !enough && cut[c] < high;
      low = math::select(raises, cut[c], low), under = math::select(raises, gathered[c], under);
      high = math::select(lowers, cut[c], high), over = math::select(lowers, gathered[c], over);
    }
  }
  /// Places the cuts by interpolation between low and high.
  template <class Target>
  BASIN_HD BASIN_INLINE void guess_cuts(T top, Target const& target) {
    T const spread = target.spread_of(under - over);
    T const share = T(0.5f) / keys;
    T const above = quantile(over / target.total, share), below = quantile(under / target.total, share);
    aim_cuts(top, target.few, [&](int c) {
      T const steps = T(c == 0 ? -3.0f : c == 1 ? -0.6f : c == 2 ? 0.6f : 3.0f);
      T const guess = math::fma(steps, spread, target.wanted) - target.shift;
      T const inside = math::larger(over, math::smaller(guess, under));
      T const lean = (above - quantile(inside / target.total, share)) / (above - below);
      return (T(1) - lean) * top + lean * low;
    });
  }
  /// Places cut c at place_of(c), largest first, if that lies between low and high; in lanes that are done, at
  /// infinity.
  template <class At>
  BASIN_HD void aim_cuts(T top, T few, At const& place_of) {
    auto const open = is_open(), evenly_now = stage == T(set_stage::even);
    T const out_of_reach = T(0) - math::minus_inf<T>(), last = near[nearest - 1];
    BASIN_UNROLL
    for (int c = 0; c < cuts; ++c) {
      T const part = T(c == 0 ? 0.25f : c == 1 ? 0.5f : c == 2 ? 0.75f : 0.875f);
      T const evenly = (T(1) - part) * top + part * low;
      T there = place_of(c);
      if (c == 0) there = math::select(evenly_now && last < high, last, there);
      else there = math::select(evenly_now, evenly, there);
      there = math::select(there > low && there < high, there, evenly);
      cut[c] = math::select(open, there, out_of_reach);
      gathered[c] = T(0);
    }
    auto const keeps = under - over <= few || stage != T(set_stage::guess);  // many equal scores never become few
    near.fill(math::select(open && keeps, low, out_of_reach));
  }
};

}  // namespace basin::detail
