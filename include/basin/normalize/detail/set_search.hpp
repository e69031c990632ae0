// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda/std/array>

#include "basin/core/math.hpp"

namespace basin::detail {

/// Which threshold the largest scores of a row reach whose weights, from the largest on, gather just enough.
///
/// A sweep looks at four cuts and gathers the weights from each on. Once there are few scores between the cut that gathers too little and the
/// one that gathers enough, it keeps the eight largest of them as well: the threshold may be among those, which ends the search exactly. Cuts
/// stand where the row would gather a little less, and a little more, than is wanted if its scores were normal: at first by their mean and
/// variance, then on the line through the two cuts around the threshold, on the scale of normal quantiles, on which it is straight. Every
/// third sweep divides the interval evenly, so that no row, whatever its scores, is searched for ever. A score that is NaN gathers nothing.
template <class T>
struct set_search {
  static constexpr int cuts = 4, nearest = 8;

  T stage = T(-1);                                               // measuring; sweep 0, 1 or 2 of three; 3: done
  T high = T(0) - math::minus_inf<T>(), over = T(0);             // the scores from high on gather `over`, too little
  T low = math::lowest<T>(), under = math::highest<T>();         // those from low on `under`, enough; at last: the threshold
  T keys = T(1 << 20);                                           // about how many scores there are
  cuda::std::array<T, cuts> cut{}, gathered{};                   // while measuring, gathered is: keys, their sum, squares, the least
  cuda::std::array<T, nearest> near{};                           // the largest scores between low and high, in order; inf where nobody looks

  BASIN_HD set_search() {
    cut.fill(math::lowest<T>());
    clear();
    near.fill(T(0) - math::minus_inf<T>());
  }

  /// Takes one score of a sweep, and its weight.
  BASIN_HD BASIN_INLINE void note(T score, T weight) {
    BASIN_UNROLL
    for (int c = 0; c < cuts; ++c) gathered[c] = math::select(score >= cut[c], gathered[c] + weight, gathered[c]);
    if (math::any(score > near[nearest - 1] && score < high)) keep(math::select(score < high, score, low));
  }
  /// Takes one score of a row that is measured.
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
    gathered[3] = math::select(stage < T(0), least, gathered[3]);
    BASIN_UNROLL
    for (int n = 0; n < nearest; ++n)
      if (math::any(from.near[n] > near[nearest - 1])) keep(from.near[n]);
  }

  /// Ends a sweep: weight_of(score) as note() was told, `wanted` of `total` in all; scores between high and low that gather
  /// no more than `few` are worth keeping at once. Cuts are to gather `shift` less than is wanted, and are spread_of(what the scores between
  /// gather) apart. True where another sweep is needed.
  template <class Spread, class Weight>
  BASIN_HD auto next(T max, T wanted, T total, T few, T shift, Spread const& spread_of, Weight const& weight_of) {
    if (math::any(stage < T(0))) return begin_unaimed(max);
    auto const was_open = stage < T(3);
    T found = T(0), at = math::lowest<T>();
    look_among_nearest(wanted, weight_of, found, at);
    BASIN_UNROLL
    for (int c = 0; c < cuts; ++c) {
      auto const enough = gathered[c] >= wanted;
      auto const raises = was_open && enough && cut[c] >= low, lowers = was_open && !enough && cut[c] < high;
      low = math::select(raises, cut[c], low), under = math::select(raises, gathered[c], under);
      high = math::select(lowers, cut[c], high), over = math::select(lowers, gathered[c], over);
    }
    under = math::smaller(under, total);
    T const top = math::smaller(high, max), middle = T(0.5f) * top + T(0.5f) * low;
    settle(under == wanted || !(middle > low && middle < high), low, found, at);
    low = math::select(was_open && found > T(0), at, low);
    stage = math::select(was_open && found == T(0), math::select(stage == T(2), T(0), stage + T(1)), T(3));
    T const spread = spread_of(under - over);
    T const share = T(0.5f) / keys, above = quantile(over / total, share), below = quantile(under / total, share);
    aim_cuts(top, few, [&](int c) {
      T const guess = math::fma(T(c == 0 ? -3.0f : c == 1 ? -0.6f : c == 2 ? 0.6f : 3.0f), spread, wanted) - shift;
      T const lean = (above - quantile(math::larger(over, math::smaller(guess, under)) / total, share)) / (above - below);
      return (T(1) - lean) * top + lean * low;
    });
    return stage < T(3);
  }

  /// Before the first sweep of a row that is measured: is there something to `search`, and are the nearest scores worth a look at once? Cut c
  /// stands quantile_of(c, deviation) standard deviations above the mean.
  template <class Mask, class Quantile>
  BASIN_HD void begin(T max, Mask search, Mask looks, Quantile const& quantile_of) {
    keys = math::larger(gathered[0], T(1));
    T const mean = gathered[1] / keys, deviation = math::sqrt(math::larger(T(0), gathered[2] / keys - mean * mean));
    low = math::select(search, gathered[3], math::lowest<T>());
    stage = math::select(search, T(0), T(3));
    aim_cuts(max, T(0), [&](int c) { return math::fma(deviation, quantile_of(c, deviation), mean); });
    near.fill(math::select(search && looks, low, T(0) - math::minus_inf<T>()));
  }
  /// So that the first sweep finds what all scores gather.
  BASIN_HD void lower_last_cut() {
    cut[cuts - 1] = math::select(stage < T(3), math::lowest<T>(), cut[cuts - 1]);
  }

  /// The z that a share of normal numbers lies above (Hastings 1955, sheet 67); shares are no nearer to 0 and 1 than `nearest_share`.
  BASIN_HD static T quantile(T share, T nearest_share) {
    share = math::larger(nearest_share, math::smaller(share, T(1) - nearest_share));
    auto const upper = share < T(0.5f);
    T const t = math::sqrt(T(-2) * math::log(math::select(upper, share, T(1) - share)));
    T const z = t - (T(2.30753f) + T(0.27061f) * t) / (T(1) + t * (T(0.99229f) + T(0.04481f) * t));
    return math::select(upper, z, T(0) - z);
  }

 private:
  /// Where nobody called aim(), as a decorator may that does not know of it: what the sweep gathered is of no use, and the search begins without
  /// a measure.
  BASIN_HD auto begin_unaimed(T max) {
    stage = T(0);
    low = math::lowest<T>(), high = T(0) - math::minus_inf<T>();
    gathered.fill(T(0));
    near.fill(low);
    BASIN_UNROLL
    for (int c = 0; c < cuts; ++c) cut[c] = c + 1 < cuts ? max - T(c == 0 ? 1.0f : c == 1 ? 4.0f : 16.0f) : low;
    return stage < T(3);
  }
  template <class Mask>
  BASIN_HD static void settle(Mask here, T threshold, T& found, T& at) {
    auto const first = here && found == T(0);
    at = math::select(first, threshold, at);
    found = math::select(first, T(1), found);
  }
  BASIN_HD void clear() {
    gathered.fill(T(0));
    gathered[cuts - 1] = math::select(stage < T(0), math::highest<T>(), T(0));
  }
  BASIN_HD BASIN_INLINE void keep(T score) {
    BASIN_UNROLL
    for (int n = 0; n < nearest; ++n) {
      T const larger = math::larger(near[n], score);
      score = math::smaller(near[n], score);
      near[n] = larger;
    }
  }
  /// The threshold among the nearest scores: between the one with which there is enough, and the next, so that scores that are rounded
  /// otherwise elsewhere fall on the same side.
  template <class Weight>
  BASIN_HD void look_among_nearest(T wanted, Weight const& weight_of, T& found, T& at) const {
    auto const looked = near[0] < T(0) - math::minus_inf<T>();
    T sum = over;
    BASIN_UNROLL
    for (int n = 0; n < nearest; ++n) {
      auto const is_score = near[n] > low;
      sum = sum + math::select(is_score, weight_of(near[n]), T(0));
      T const after = near[n + 1 < nearest ? n + 1 : n], between = T(0.5f) * near[n] + T(0.5f) * after;
      settle(looked && is_score && sum >= wanted, math::select(between > after && between <= near[n], between, near[n]), found, at);
    }
    settle(looked && near[nearest - 1] <= low, low, found, at);  // there are no more scores above it
  }
  /// Cuts where at(c) says, from the largest on, if that lies inside; those of rows that are done lie out of reach.
  template <class At>
  BASIN_HD void aim_cuts(T top, T few, At const& at) {
    auto const is_open = stage < T(3), evenly_now = stage == T(2);
    T const out_of_reach = T(0) - math::minus_inf<T>(), last = near[nearest - 1];
    BASIN_UNROLL
    for (int c = 0; c < cuts; ++c) {
      T const part = T(c == 0 ? 0.25f : c == 1 ? 0.5f : c == 2 ? 0.75f : 0.875f), evenly = (T(1) - part) * top + part * low;
      T there = at(c);
      if (c == 0) there = math::select(evenly_now && last < high, last, there);
      else there = math::select(evenly_now, evenly, there);
      there = math::select(there > low && there < high, there, evenly);
      cut[c] = math::select(is_open, there, out_of_reach);
      gathered[c] = T(0);
    }
    near.fill(math::select(is_open && (under - over <= few || stage != T(1)), low, out_of_reach));  // equal scores stay many
  }
};

}  // namespace basin::detail
