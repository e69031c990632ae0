// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Rectified softmax; all weights of a row may be 0: w_j = max(e^s_j - 1, 0) / (sum_k |e^s_k - 1| + epsilon).
///
/// Models    online_normalizer
/// Source    Zuhri et al. 2025, arXiv 2504.20966
/// Shapes    one row; scores [keys]
/// State     max = max(0, max s), sum of |e^s_j - 1| e^-max; max >= 0 keeps e^-max from overflowing
/// Precision relative error of a weight (of normal exponentials, concepts/normalizer.hpp) <= (n + 16) eps, n as
///           for softmax; for scores near 0 too (expm1)
/// Edges     an empty row gives 0, and so does a row without positive scores; weights sum to at most 1; at a score of 0
///           the derivative of its weight in it is 0; the Jacobian is unbounded as all scores tend to 0
/// Cost      1 exp, 1 expm1 and 5 flop per score for the term, and the same again for the sum
/// Errors    value_error from validate(): epsilon is negative or not finite
/// Example   examples/02_normalizers.cpp
struct softpick {
  using gives_zeros = std::true_type;

  double epsilon = 1e-8;

  template <class T>
  struct row {
    T max = T(0), sum = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }
  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const { return math::select(score <= T(0), T(0), size(r, score)); }
  template <class T>
  BASIN_HD void add(row<T>& r, T score, T) const {
    r.sum = r.sum + math::select(score == math::minus_inf<T>(), T(0), size(r, score));
  }
  template <class T>
  BASIN_HD T rescale(row<T> const& old, row<T> const& now) const { return math::exp(old.max - now.max); }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const {
    T const total = r.sum + T(static_cast<math::scalar_of<T>>(epsilon)) * math::exp(T(0) - r.max);
    return math::select(total == T(0), T(0), T(1) / total);
  }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    row<T> const now{math::max(into.max, from.max), T(0)};
    into = {now.max, into.sum * rescale(into, now) + from.sum * rescale(from, now)};
  }

  /// dw_j / ds_k = (1[s_j > 0] [j = k] - w_j sign s_k) e^s_k / total.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const& r, T score, T weight) const {
    T const slope = math::exp_nonpositive(score - r.max) * factor(r);
    T const sign = math::select(score > T(0), T(1), math::select(score < T(0), T(-1), T(0)));
    return {math::select(score > T(0), slope, T(0)), sign * slope, weight};
  }

  void validate() const {
    if (!(epsilon >= 0 && epsilon <= math::largest<float>))
      throw value_error(message("basin::softpick: epsilon is ", epsilon, "; it must be 0 or more, and finite"));
  }

 private:
  /// |e^s - 1| e^-max = e^(max(s, 0) - max) (1 - e^-|s|): neither factor overflows.
  template <class T>
  BASIN_HD static T size(row<T> const& r, T score) {
    return math::exp(math::max(score, T(0)) - r.max) * (T(0) - math::expm1(T(0) - math::abs(score)));
  }
};

static_assert(online_normalizer<softpick> && starts_uncounted<softpick> && differentiable_normalizer<softpick>);

}  // namespace basin
