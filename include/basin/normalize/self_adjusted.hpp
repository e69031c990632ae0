// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"

namespace basin {

/// Softmax weights times the relative position of their score between the least and the largest:
/// w_j = (s_j - a) / (b - a) p_j, p = softmax(s), a = min(0, min s), b = max(0, max s).
///
/// Models    streamable_normalizer with terms: one pass for a and b, then weights
/// Source    Zheng et al. 2025, arXiv 2502.18277, the thresholded normalised form
/// Shapes    one row; scores [keys]
/// State     max and min of the scores, the numbers of scores that attain them, sum of exp(s_j - max)
/// Precision error of a weight <= (n + 16) eps + 4 eps max |s| / (b - a), n as for softmax
/// Edges     an empty row gives 0; a row of zeros has the weights of softmax; the derivative of max and min is divided
///           evenly among the scores that attain them, and is 0 if the extremum is 0
/// Cost      a pass of 4 operations per score, then 2 exp (one for the term, one for the sum) and 4 flop
/// Errors    none
/// Example   examples/02_normalizers.cpp
struct self_adjusted {
  template <class T>
  struct row {
    T max = math::lowest<T>(), min = math::highest<T>();
    T at_max = T(0), at_min = T(0), sum = T(0);
  };

  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const {
    r.max = math::max(r.max, score);
    r.min = math::min(r.min, math::select(score == math::minus_inf<T>(), math::highest<T>(), score));
  }
  template <class T>
  BASIN_HD auto next(row<T>& r) const { return r.max < r.max; }  // false in every lane: one pass is enough

  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const {
    return math::select(score == math::minus_inf<T>(), T(0), place(r, score) * math::exp_nonpositive(score - r.max));
  }
  template <class T>
  BASIN_HD void add(row<T>& r, T score, T) const {
    r.sum = r.sum + math::exp_nonpositive(score - r.max);
    r.at_max = r.at_max + math::select(score == r.max, T(1), T(0));
    r.at_min = r.at_min + math::select(score == r.min, T(1), T(0));
  }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const { return math::select(r.sum == T(0), T(0), T(1) / r.sum); }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    into.max = math::max(into.max, from.max);
    into.min = math::min(into.min, from.min);
    into.at_max = into.at_max + from.at_max;
    into.at_min = into.at_min + from.at_min;
    into.sum = into.sum + from.sum;
  }

  /// dw_j / ds_k = (p_j / (b - a) + w_j) [j = k] - w_j (p_k + b'_k / (b - a)) - (p_j - w_j) / (b - a) a'_k.
  template <class T>
  BASIN_HD low_rank_jacobian<T, 2> jacobian(row<T> const& r, T score, T weight) const {
    T const p = math::exp_nonpositive(score - r.max) * factor(r), width = upper(r) - lower(r);
    T const per_width = math::select(width == T(0), T(0), T(1) / width);
    T const db = math::select(score == r.max, T(1) / r.at_max, T(0));
    T const da = math::select(score == r.min, T(1) / r.at_min, T(0));
    return {p * per_width + weight,
            {p + math::select(r.max > T(0), db * per_width, T(0)), math::select(r.min < T(0), da * per_width, T(0))},
            {weight, p - weight}};
  }

 private:
  template <class T>
  BASIN_HD static T lower(row<T> const& r) { return math::min(T(0), r.min); }
  template <class T>
  BASIN_HD static T upper(row<T> const& r) { return math::max(T(0), r.max); }
  /// (s - a) / (b - a), and 1 in a row of zeros. All numbers are halved, so that the width of huge scores does not
  /// overflow.
  template <class T>
  BASIN_HD static T place(row<T> const& r, T score) {
    T const half = T(0.5f), width = half * upper(r) - half * lower(r);
    return math::select(width == T(0), T(1), (half * score - half * lower(r)) / width);
  }
};

static_assert(streamable_normalizer<self_adjusted> && !online_normalizer<self_adjusted> &&
              differentiable_normalizer<self_adjusted>);

}  // namespace basin
