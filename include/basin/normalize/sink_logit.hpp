// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <type_traits>

#include "basin/concepts/parameters.hpp"

namespace basin {

/// Softmax with one more key per head, with a learned score b and no value: w_j = exp(s_j) / (exp(b) + sum_k exp(s_k)).
///
/// Models    online_normalizer, has_parameters
/// Source    OpenAI 2025, gpt-oss (one logit a head, not multiplied by the scale of the scores)
/// Shapes    one row; scores [keys]; logit [heads], or one for all
/// State     max = max(b, max s), sum of exp(s_j - max), b; only factor() adds b to the divisor, so it counts once
///           however a row is split
/// Precision as softmax
/// Edges     an empty row gives 0; b = -inf is softmax; db = - w_b sum_j w_j dw_j, w_b the weight of the sink
/// Cost      1 exp and 3 flop per score, 1 exp a row
/// Errors    value_error: the logit is NaN or +inf; shape_error: fewer logits than heads, gradients of another call
/// Example   examples/02_normalizers.cpp
struct sink_logit {
  using jacobian_of_weights = std::true_type;
  using carries_weights = std::true_type;

  static constexpr int parameters = 1;
  using starts_uncounted = std::true_type;

  static constexpr per_head::range logit_range{-math::infinity, math::largest<float>, "it must be a number, or -inf"};
  per_head logit{};
  parameter_gradients gradients{};

  template <class T>
  struct row {
    T max = math::lowest<T>(), sum = T(0), logit = math::lowest<T>();
  };

  template <class T>
  BASIN_HD row<T> start(row_context<T> context) const {
    T const b = T(static_cast<math::scalar_of<T>>(logit(context.head)));
    return {math::max(b, math::lowest<T>()), T(0), b};
  }
  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }
  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const { return math::exp_nonpositive(score - r.max); }
  template <class T>
  BASIN_HD T log_term(row<T> const& r, T score) const { return score - r.max; }
  template <class T>
  BASIN_HD exponent_line<T> exponent(row<T> const& r) const { return exponent_below(r.max, T(1)); }
  template <class T>
  BASIN_HD void add(row<T>& r, T, T term) const { r.sum = r.sum + term; }
  template <class T>
  BASIN_HD T rescale(row<T> const& old, row<T> const& now) const { return math::exp(old.max - now.max); }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const {
    return math::select(r.sum == T(0), T(0), T(1) / (r.sum + math::exp(r.logit - r.max)));
  }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    row<T> const now{math::max(into.max, from.max), T(0), into.logit};
    into = {now.max, into.sum * rescale(into, now) + from.sum * rescale(from, now), into.logit};
  }

  /// log(exp(b) + sum_j exp(s_j)); b for an empty row.
  template <class T>
  BASIN_HD T log_sum_exp(row<T> const& r) const { return r.max + math::log(r.sum + math::exp(r.logit - r.max)); }

  /// J = diag w - w w^T, with sum w = 1 - w_b.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const&, T, T weight) const { return {weight, weight, weight}; }

  template <class T>
  BASIN_HD for_parameters<sink_logit, T> parameter_gradient(row<T> const& r, T, T weight, T dweight, T) const {
    return {T(0) - math::exp(r.logit - r.max) * factor(r) * weight * dweight};
  }
  BASIN_HD void sees_parameter_gradient(row_at at, int which, double gradient) const {
    gradients.put(at, which, gradient);
  }

  void validate() const { logit.require_one("basin::sink_logit", "logit", logit_range); }
  void validate_values(problem const& call) const {
    logit.require_each("basin::sink_logit", "logit", logit_range, call);
  }
  void validate(problem const& call) const {
    logit.validate("basin::sink_logit", "logit", call);
    gradients.validate("basin::sink_logit", parameters, call);
  }
  template <class F>
  void views(F&& f) const {
    f("basin::sink_logit", "logit", logit.values);
    f("basin::sink_logit", "gradients", gradients.rows);
  }
};

static_assert(exponential_normalizer<sink_logit> && starts_uncounted<sink_logit> && has_parameters<sink_logit>);

}  // namespace basin
