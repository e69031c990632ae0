// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"

namespace basin {

/// Softmax that sharpens rows of high entropy: w = softmax(beta s), beta = max(1, P(H)) if H > 0.5 and 1 otherwise,
/// with H the entropy of softmax(s) in nats and P(H) = -0.037 H^4 + 0.481 H^3 - 2.3 H^2 + 4.917 H - 1.791.
///
/// Models    streamable_normalizer with terms: one pass for H, then softmax
/// Source    Velickovic et al. 2024, arXiv 2410.01104 (its polynomial is fitted, highest degree first)
/// Shapes    one row; scores [keys]
/// State     max, sums of e and of e log e, e = exp(s_j - max); then H, beta, its derivative; sums of terms and of
///           terms times s - max
/// Precision relative error of a weight (of normal exponentials, concepts/normalizer.hpp) <= 2 beta (n + 8) eps,
///           n as for softmax
/// Edges     an empty row gives 0; P > 1 only for H from 0.849 to 5.944 (380 equal scores), so beta is continuous at
///           0.5, and is 1 again for rows of more equal scores; at its two kinks the derivative is that of the constant
///           side
/// Cost      1 exp and 4 flop per score in each of the two passes
/// Errors    none
/// Example   examples/02_normalizers.cpp
struct adaptive_temperature {
  template <class T>
  struct row {
    T max = math::lowest<T>();
    T exponentials = T(0), moment = T(0);
    T log_sum = T(0), entropy = T(0), beta = T(1), slope = T(0);  // slope: d beta / dH
    T sum = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }

  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const {
    T const e = math::exp_nonpositive(score - r.max);
    r.exponentials = r.exponentials + e;
    r.moment = r.moment + math::select(e == T(0), T(0), e * (score - r.max));
  }

  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    r.log_sum = math::select(r.exponentials == T(0), T(0), math::log(r.exponentials));
    T const h = r.entropy = math::select(r.exponentials == T(0), T(0), r.log_sum - r.moment / r.exponentials);
    T const beta = polynomial(h, {-0.037, 0.481, -2.3, 4.917, -1.791});
    auto const sharper = beta > T(1);                            // implies H > 0.5, because P <= 1 up to 0.849
    r.beta = math::select(sharper, beta, T(1));
    r.slope = math::select(sharper, polynomial(h, {0.0, 4 * -0.037, 3 * 0.481, 2 * -2.3, 4.917}), T(0));
    r.exponentials = r.moment = T(0);
    return r.max < r.max;                                        // false in every lane: one pass is enough
  }

  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const { return math::exp_nonpositive(log_term(r, score)); }
  template <class T>
  BASIN_HD T log_term(row<T> const& r, T score) const { return r.beta * (score - r.max); }
  template <class T>
  BASIN_HD void add(row<T>& r, T score, T term) const {
    r.sum = r.sum + term;
    r.moment = r.moment + math::select(term == T(0), T(0), term * (score - r.max));
  }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const { return math::select(r.sum == T(0), T(0), T(1) / r.sum); }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    into.max = math::max(into.max, from.max);
    into.exponentials = into.exponentials + from.exponentials;
    into.moment = into.moment + from.moment;
    into.sum = into.sum + from.sum;
  }

  template <class T>
  BASIN_HD T term_sum(row<T> const& r) const { return r.sum; }

  /// log sum_j exp(beta s_j); -inf for an empty row.
  template <class T>
  BASIN_HD T log_sum_exp(row<T> const& r) const { return r.beta * r.max + math::log(r.sum); }

  /// dw_j / ds_k = beta w_j ([j = k] - w_k) - w_j (s_j - mean) beta'(H) p_k (log p_k + H), mean = sum_j w_j s_j.
  template <class T>
  BASIN_HD low_rank_jacobian<T, 2> jacobian(row<T> const& r, T score, T weight) const {
    T const log_p = score - r.max - r.log_sum, p = math::exp(log_p);
    auto const seen = score != math::minus_inf<T>();
    T const rise = math::select(seen, r.slope * p * (log_p + r.entropy), T(0));
    T const place = math::select(seen, score - r.max - r.moment * factor(r), T(0));
    return {r.beta * weight, {r.beta * weight, rise}, {weight, weight * place}};
  }

 private:
  /// Highest degree first.
  template <class T>
  BASIN_HD static T polynomial(T x, double const (&coefficients)[5]) {
    T value = T(0);
    for (double const c : coefficients) value = value * x + T(static_cast<math::scalar_of<T>>(c));
    return value;
  }
};

static_assert(streamable_normalizer<adaptive_temperature> && !online_normalizer<adaptive_temperature> &&
              differentiable_normalizer<adaptive_temperature>);

}  // namespace basin
