// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/normalize/detail/threshold_search.hpp"

namespace basin {

/// Entmax with alpha = 1.5, exactly: w_j = max(s_j / 2 - tau, 0)^2, with tau such that the weights sum to 1.
///
/// Models    streamable_normalizer with terms
/// Source    Peters, Niculae & Martins 2019, arXiv 1905.05702. No sorting: with y_j = max(s_j / 2 - tau, 0), steps of
///           third order find the root of sum y_j^2 = 1 (detail/threshold_search.hpp), bounded by Newton's method on
///           the norm |y|_2, which is convex in tau; the root of the quadratic of the current support is the threshold
///           as soon as it has that same support
/// Shapes    one row; scores [keys]
/// State     tau (relative to the maximum) and its bounds; the sums and the two nearest scores of a pass; sums of y^2
///           and of y after convergence
/// Precision |error of a weight| <= 4 (n + 8) eps, n as for softmax; the weights are divided by their sum, which
///           differs from 1 by rounding
/// Edges     an empty row gives 0; one key gets weight 1; a NaN ends the search of its own row
/// Order     does not matter, up to rounding of the sums
/// Cost      2 or 3 passes of 11 operations per score
/// Errors    none
/// Example   examples/02_normalizers.cpp
struct entmax15 {
  using gives_zeros = std::true_type;

  template <class T>
  struct row {
    T max = math::lowest<T>();
    detail::threshold_search<T> tau{};
    detail::excess<T> sums{};
    T sum = T(0), roots = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }

  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const {
    T const s = T(0.5f) * (score - r.max);
    r.tau.note(s);
    r.sums.note(s, r.tau.cut);
  }

  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    auto const again = r.tau.next(r.sums, [](detail::excess<T> const& y) {
      T const mean = y.first / y.count.all, spread = y.second - y.first * mean;
      T const root = mean - math::sqrt((T(1) - spread) /
                                       y.count.all);  // sum (y_j - root)^2 = 1, to the precision of a sum of about 1
      T const climb = (y.second - math::sqrt(y.second)) / y.first;  // Newton's step on |y| - 1
      T const blur = T(2) * math::epsilon<T>() * y.count.at_once() * y.second / y.first;
      return detail::sight<T>{
          y.second, T(2) * y.first, y.degree() + T(1),
          climb,    blur,           math::select(y.second <= T(2), root, T(0) - math::minus_inf<T>())};
    });
    r.sums = {};
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
    into.tau.merge(from.tau);
    into.sums.merge(from.sums);
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
  /// max(s / 2 - max / 2 - tau, 0), and NaN for a NaN. The rounding error of tau is small beside the root of a weight.
  template <class T>
  BASIN_HD static T above(row<T> const& r, T score) {
    return math::larger(T(0), T(0.5f) * (score - r.max) - r.tau.cut);
  }
};

static_assert(streamable_normalizer<entmax15> && !online_normalizer<entmax15> && differentiable_normalizer<entmax15>);

}  // namespace basin
