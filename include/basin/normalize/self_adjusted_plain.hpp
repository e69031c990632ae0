// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"

namespace basin {

/// Scores times their softmax: w_j = s_j p_j, p = softmax(s). Weights may be negative.
///
/// Models    online_normalizer
/// Source    Zheng et al. 2025, arXiv 2502.18277, the plain form; it recommends the form of self_adjusted
/// Shapes    one row; scores [keys]
/// State     max, sum of exp(s_j - max)
/// Precision relative error of a weight (of normal exponentials, concepts/normalizer.hpp) <= (n + 12) eps, n as
///           for softmax
/// Edges     an empty row gives 0; observers that use logarithms (entropy) report NaN for rows with negative weights
/// Cost      2 exp per score (one for the term, one for the sum) and 4 flop
/// Errors    none
/// Example   examples/02_normalizers.cpp
struct self_adjusted_plain {
  template <class T>
  struct row {
    T max = math::lowest<T>(), sum = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }
  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const {
    return math::select(score == math::minus_inf<T>(), T(0), score * math::exp_nonpositive(score - r.max));
  }
  template <class T>
  BASIN_HD void add(row<T>& r, T score, T) const { r.sum = r.sum + math::exp_nonpositive(score - r.max); }
  template <class T>
  BASIN_HD T rescale(row<T> const& old, row<T> const& now) const { return math::exp(old.max - now.max); }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const { return math::select(r.sum == T(0), T(0), T(1) / r.sum); }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    row<T> const now{math::max(into.max, from.max), T(0)};
    into = {now.max, into.sum * rescale(into, now) + from.sum * rescale(from, now)};
  }

  /// dw_j / ds_k = (p_j + w_j) [j = k] - w_j p_k.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const& r, T score, T weight) const {
    T const p = math::exp_nonpositive(score - r.max) * factor(r);
    return {p + weight, p, weight};
  }
};

static_assert(online_normalizer<self_adjusted_plain> && starts_uncounted<self_adjusted_plain> &&
              differentiable_normalizer<self_adjusted_plain>);

}  // namespace basin
