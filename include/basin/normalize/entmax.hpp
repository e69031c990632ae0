// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <type_traits>

#include "basin/concepts/parameters.hpp"
#include "basin/normalize/detail/threshold_search.hpp"

namespace basin {

/// Entmax of any alpha in (1, 2], shared or one a head: w_j = max((alpha - 1) s_j - tau, 0)^(1 / (alpha - 1)), with tau
/// such that the weights sum to 1. Sparsity grows with alpha: 1 is the limit softmax, 1.5 is entmax15, 2 is sparsemax.
///
/// Models    streamable_normalizer with terms, has_parameters
/// Source    Peters, Niculae & Martins 2019, arXiv 1905.05702; dw/dalpha: Correia, Niculae & Martins 2019, prop. 1.
///           With y_j = max((alpha - 1) s_j - tau, 0) and q = 1 / (alpha - 1), steps of third order find the root of
///           sum y_j^q = 1 (detail/threshold_search.hpp), bounded by Newton's method on the norm |y|_q, which is convex
///           in tau; the last step starts where the sum is within sqrt(eps) of 1, and passes no score
/// Shapes    one row; scores [keys]; alpha [heads], or one for all
/// State     tau (relative to the maximum) and its bounds; the sums and the two nearest scores of a pass; sums of y^q
///           and of y^(q-1)
/// Precision |error of a weight| <= 8 (n + 8) q eps, n as for softmax: precision decreases towards alpha = 1
/// Edges     an empty row gives 0; one key gets weight 1; a NaN ends the search of its own row
/// Order     does not matter, up to rounding of the sums
/// Cost      about 3 passes of 1 exp, 1 log and 13 operations per score
/// Errors    value_error: alpha not in [1.001, 2] (not checked for a view in GPU memory); shape_error: fewer alphas
///           than heads, gradients of another call
/// Example   examples/02_normalizers.cpp
struct entmax {
  using gives_zeros = std::true_type;

  static constexpr int parameters = 1;
  using starts_uncounted = std::true_type;

  static constexpr per_head::range alpha_range{1.001, 2, "it must be from 1.001 to 2; for 1, use softmax"};
  per_head alpha{1.5};
  parameter_gradients gradients{};

  /// Sums of y^q, y^(q-1) and y^(q+1), and the number of their terms.
  template <class T>
  struct power_sums {
    T total = T(0), derivative = T(0), integral = T(0);
    detail::counted<T> count{};
  };
  template <class T>
  struct row {
    T slope = T(1), power = T(1);                                // alpha - 1, and its inverse
    T max = math::lowest<T>();
    detail::threshold_search<T> tau{};
    power_sums<T> sums{};
    T sum = T(0), roots = T(0);
  };

  template <class T>
  BASIN_HD row<T> start(row_context<T> context) const {
    double const slope = alpha(context.head) - 1;
    row<T> r;
    r.slope = T(static_cast<math::scalar_of<T>>(slope));
    r.power = T(static_cast<math::scalar_of<T>>(1 / slope));
    r.tau.cut = T(0) - math::exp(T(-0.9f) * r.slope);            // f there is 0.4 or more
    return r;
  }
  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }

  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const {
    T const below = score - r.max, y = math::max(T(0), math::fma(r.slope, below, T(0) - r.tau.cut)),
            power = to_the_power(r, y);
    r.tau.note(r.slope * below);
    r.sums.total = r.sums.total + power;
    r.sums.derivative = r.sums.derivative + math::select(y == T(0), T(0), power / y);
    r.sums.integral = math::fma(y, power, r.sums.integral);
    r.sums.count.all = math::select(y == T(0), r.sums.count.all, r.sums.count.all + T(1));
  }

  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    auto const again = r.tau.next(r.sums, [&](power_sums<T> const& y) {
      T const climb = y.total * (T(0) - math::expm1(T(0) - r.slope * math::log(y.total))) / y.derivative;
      T const fall = r.power * y.derivative, off = y.total - T(1);
      T const degree = detail::sight<T>::degree_of(y.integral * y.derivative, (T(1) + r.slope) * y.total * y.total);
      T const step = detail::sight<T>::step(y.total, fall, degree), none = T(0) - math::minus_inf<T>();
      T const blur = math::epsilon<T>() * y.count.at_once() * y.total / y.derivative;
      return detail::sight<T>{y.total, fall, degree,
                              climb,   blur, math::select(off * off < math::epsilon<T>(), step, none)};
    });
    r.sums = {};
    return again;
  }

  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const { return to_the_power(r, above(r, score)); }
  template <class T>
  BASIN_HD void add(row<T>& r, T score, T term) const {
    T const y = above(r, score);
    r.sum = r.sum + term;
    r.roots = r.roots + math::select(y == T(0), T(0), term / y);
  }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const { return math::select(r.sum == T(0), T(0), T(1) / r.sum); }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    into.max = math::max(into.max, from.max);
    into.tau.merge(from.tau);
    into.sums.total = into.sums.total + from.sums.total;
    into.sums.derivative = into.sums.derivative + from.sums.derivative;
    into.sums.integral = into.sums.integral + from.sums.integral;
    into.sums.count.merge(from.sums.count);
    into.sum = into.sum + from.sum;
    into.roots = into.roots + from.roots;
  }

  /// J = diag u - u u^T / sum u, u = w^(2 - alpha) on the support.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const& r, T score, T weight) const {
    T const y = above(r, score), u = math::select(y == T(0), T(0), weight / y);
    return {u, u, math::select(y == T(0), T(0), u / r.roots)};
  }

  /// dL/dalpha = sum_j ds_j (1 / (alpha - 1) - log w_j) w_j^(alpha - 1) / (alpha - 1), and w_j^(alpha - 1) = y_j.
  template <class T>
  BASIN_HD for_parameters<entmax, T> parameter_gradient(row<T> const& r, T score, T weight, T, T dscore) const {
    T const y = above(r, score);
    return {math::select(weight > T(0), dscore * y * r.power * (r.power - math::log(weight)), T(0))};
  }
  BASIN_HD void sees_parameter_gradient(row_at at, int which, double gradient) const {
    gradients.put(at, which, gradient);
  }

  void validate() const { alpha.require_one("basin::entmax", "alpha", alpha_range); }
  void validate_values(problem const& call) const { alpha.require_each("basin::entmax", "alpha", alpha_range, call); }
  void validate(problem const& call) const {
    alpha.validate("basin::entmax", "alpha", call);
    gradients.validate("basin::entmax", parameters, call);
  }
  template <class F>
  void views(F&& f) const {
    f("basin::entmax", "alpha", alpha.values);
    f("basin::entmax", "gradients", gradients.rows);
  }

 private:
  /// max((alpha - 1) (s - max) - tau, 0), and NaN for a NaN.
  template <class T>
  BASIN_HD static T above(row<T> const& r, T score) {
    return math::max(T(0), math::fma(r.slope, score - r.max, T(0) - r.tau.cut) - r.tau.rest);
  }
  template <class T> BASIN_HD static T to_the_power(row<T> const& r, T y) {
    return math::select(y == T(0), T(0), math::exp(r.power * math::log(y)));
  }
};

static_assert(streamable_normalizer<entmax> && !online_normalizer<entmax> && has_parameters<entmax>);

}  // namespace basin
