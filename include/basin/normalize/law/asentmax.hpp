// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/parameters.hpp"

namespace basin {

/// A scaling law of length_scaled: scores times delta + beta (log(n + 1))^gamma, with learned beta and gamma per head,
/// n the number of visible keys. length_scaled<entmax15, asentmax> is ASEntmax.
///
/// Source    Vasylenko et al. 2025, arXiv 2506.16640, with n + 1 as in its code (position + 2 where the mask is causal)
/// Shapes    beta, gamma [heads], or one for all
/// Edges     log(n + 1) >= log 2, so for every n the scale is smooth in beta and gamma, and positive unless delta and
///           beta are 0
/// Errors    value_error: delta or beta is negative or not finite, gamma is not finite; shape_error: fewer numbers than
///           heads, gradients of another call
struct asentmax {
  static constexpr int parameters = 2;                           // beta, gamma
  static constexpr per_head::range beta_range{0, math::largest<float>, "it must be 0 or more, and finite"};
  static constexpr per_head::range gamma_range{-math::largest<float>, math::largest<float>, "it must be finite"};
  double delta = 1;
  per_head beta{0.55}, gamma{0};                                 // means of its initial values: U(0.1, 1), N(0, 0.01)
  parameter_gradients gradients{};

  template <class T>
  BASIN_HD T scale(row_context<T> const& context) const {
    return number<T>(delta) + number<T>(beta(context.head)) * power(context);
  }
  template <class T>
  BASIN_HD for_parameters<asentmax, T> scale_slopes(row_context<T> const& context) const {
    return {power(context), number<T>(beta(context.head)) * power(context) * math::log(log_length(context))};
  }
  BASIN_HD void sees_parameter_gradient(row_at at, int which, double gradient) const {
    gradients.put(at, which, gradient);
  }

  void validate() const {
    per_head{delta}.require_one("basin::asentmax", "delta", beta_range);
    beta.require_one("basin::asentmax", "beta", beta_range);
    gamma.require_one("basin::asentmax", "gamma", gamma_range);
  }
  void validate_values(problem const& call) const {
    beta.require_each("basin::asentmax", "beta", beta_range, call);
    gamma.require_each("basin::asentmax", "gamma", gamma_range, call);
  }
  void validate(problem const& call) const {
    beta.validate("basin::asentmax", "beta", call);
    gamma.validate("basin::asentmax", "gamma", call);
    gradients.validate("basin::asentmax", parameters, call);
  }
  template <class F>
  void views(F&& f) const {
    f("basin::asentmax", "beta", beta.values);
    f("basin::asentmax", "gamma", gamma.values);
    f("basin::asentmax", "gradients", gradients.rows);
  }

 private:
  template <class T>
  BASIN_HD static T number(double x) { return T(static_cast<math::scalar_of<T>>(x)); }
  template <class T>
  BASIN_HD static T log_length(row_context<T> const& context) {
    return math::log(math::max(context.visible, T(1)) + T(1));
  }
  template <class T>
  BASIN_HD T power(row_context<T> const& context) const {
    return math::exp(number<T>(gamma(context.head)) * math::log(log_length(context)));
  }
};

}  // namespace basin
