// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"

namespace basin {

/// Entmax of alpha 1.5, exactly: w_j = max(s_j / 2 - tau, 0)^2, tau such that the weights sum to 1.
///
/// Models    streamable_normalizer with terms
/// Source    Peters, Niculae & Martins 2019, arXiv 1905.05702. No sorting: with y_j = max(s_j / 2 - tau, 0), Newton's method on
///           the norm |y|_2 = 1, convex in tau, climbs from below; once the root of the quadratic that belongs to the support
///           at hand keeps that support, it is the threshold
/// Shapes    one row; scores [keys]
/// State     tau (measured from the maximum), the moments and the least y of a sweep; sums of y^2 and of y when tau is found
/// Precision |error of a weight| <= 4 (keys + 8) eps; the weights are divided by their sum, which differs from 1 by rounding
/// Edges     an empty row gives 0; one key gets weight 1; a NaN ends the search of its own row
/// Order     does not matter, up to rounding of the sums
/// Cost      about 5 sweeps of 8 operations per score
/// Errors    none
/// Example   examples/02_normalizers.cpp
struct entmax15 {
  using gives_zeros = std::true_type;

  template <class T>
  struct row {
    T max = math::lowest<T>();
    T tau = T(-1), open = T(1);                                  // tau >= max - 1 because the largest weight is <= 1
    T count = T(0), first = T(0), second = T(0), least = math::highest<T>();
    T sum = T(0), roots = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }

  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const {
    T const y = above(r, score);
    auto const supported = y > T(0);
    r.count = math::select(supported, r.count + T(1), r.count);
    r.first = r.first + y;
    r.second = math::fma(y, y, r.second);
    r.least = math::select(supported, math::smaller(r.least, y), r.least);
  }

  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    T const mean = r.first / r.count, spread = r.second - r.first * mean;
    T const root = mean - math::sqrt((T(1) - spread) / r.count);  // sum (y_j - root)^2 = 1 on this support
    T const climb = (r.second - math::sqrt(r.second)) / r.first;  // Newton's step on |y| - 1
    auto const is_open = r.open > T(0);
    auto const settled = root <= r.least;                        // not so for a NaN: the support's own quadratic has no root
    T const step = math::select(settled, root, climb);
    auto const again = is_open && !settled && climb > T(4) * math::epsilon<T>();
    r.tau = math::select(is_open && step > math::lowest<T>(), r.tau + step, r.tau);
    r.open = math::select(again, T(1), T(0));
    r.count = r.first = r.second = T(0);
    r.least = math::highest<T>();
    return again;
  }

  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const {
    T const y = above(r, score);
    return y * y;
  }
  template <class T>
  BASIN_HD void add(row<T>& r, T score, T term) const {
    r.sum = r.sum + term;
    r.roots = r.roots + above(r, score);
  }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const { return math::select(r.sum == T(0), T(0), T(1) / r.sum); }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    into.max = math::max(into.max, from.max);
    into.count = into.count + from.count;
    into.first = into.first + from.first;
    into.second = into.second + from.second;
    into.least = math::min(into.least, from.least);
    into.sum = into.sum + from.sum;
    into.roots = into.roots + from.roots;
  }

  /// J = diag u - u u^T / sum u, u = sqrt(w).
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const& r, T score, T) const {
    T const u = above(r, score);
    return {u, u, math::select(u == T(0), T(0), u / r.roots)};
  }

 private:
  /// max(s / 2 - max / 2 - tau, 0), and NaN for a NaN.
  template <class T>
  BASIN_HD static T above(row<T> const& r, T score) { return math::larger(T(0), T(0.5f) * (score - r.max) - r.tau); }
};

static_assert(streamable_normalizer<entmax15> && !online_normalizer<entmax15> && differentiable_normalizer<entmax15>);

}  // namespace basin
