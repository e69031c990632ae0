// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How small and how large one of L weights can be: lemma 1 and corollary 1 of "Limitations of Normalization in
// Attention Mechanism" (arXiv 2508.17821), for weights w_i = F(s_i) / sum_j F(s_j) with any positive F, and the
// normalizers to which these bounds do not apply.

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/row_stages.hpp"
#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

namespace basin::theory {

/// A closed interval.
struct interval {
  double lower = 0, upper = 0;

  constexpr bool holds(double x) const { return lower <= x && x <= upper; }
};

namespace detail {

inline void require_length(char const* function, index_t length) {
  if (length < 1) throw value_error(message(function, ": length is ", length, "; a row has at least 1 key"));
}
inline void require_score_range(char const* function, double score_range) {
  if (!(score_range >= 0) || !std::isfinite(score_range))
    throw value_error(message(function, ": score_range is ", score_range,
                              "; scores lie in [-score_range, score_range]: it must be finite and at least 0"));
}
inline void require_positive(char const* function, char const* what, double x) {
  if (!(x > 0)) throw value_error(message(function, ": ", what, " is ", x, "; it must be positive"));
}

/// The minimum of f on [a, b], for an f with one local minimum there (golden section).
template <class F>
double least_between(F const& f, double a, double b) {
  double const ratio = 0.6180339887498949;
  double x = b - ratio * (b - a), y = a + ratio * (b - a), fx = f(x), fy = f(y);
  for (int step = 0; step < 60; ++step) {
    if (fx <= fy) b = y, y = x, fy = fx, fx = f(x = b - ratio * (b - a));
    else a = x, x = y, fx = fy, fy = f(y = a + ratio * (b - a));
  }
  return std::min(fx, fy);
}

/// The minimum of f on a grid of [a, b], refined between the neighbours of the best point.
template <class F>
double least_on(F const& f, double a, double b, int points) {
  auto const point = [&](int n) { return a + (b - a) * n / (points - 1); };
  int best = 0;
  double least = f(a);
  for (int n = 1; n < points; ++n)
    if (double const here = f(point(n)); here < least) least = here, best = n;
  return std::min(least, least_between(f, point(std::max(best - 1, 0)), point(std::min(best + 1, points - 1))));
}

}  // namespace detail

/// The least and the largest value m, M of F over scores in [-score_range, score_range].
///
/// Source    the proof of lemma 1: F is continuous on a compact set
/// Precision exact to rounding if F is monotone; else found on a grid of `points`, which must resolve the extrema of F
/// Errors    value_error: `score_range` negative or not finite, an F that is not positive there, fewer than 2 points
template <class F>
interval range_of(F const& f, double score_range, int points = 513) {
  detail::require_score_range("basin::theory::range_of", score_range);
  if (points < 2)
    throw value_error(message("basin::theory::range_of: ", points, " points; it needs at least 2, the ends"));
  auto const up = [&](double x) { return static_cast<double>(f(x)); };
  auto const down = [&](double x) { return -static_cast<double>(f(x)); };
  interval const range{detail::least_on(up, -score_range, score_range, points),
                       -detail::least_on(down, -score_range, score_range, points)};
  if (!(range.lower > 0) || !std::isfinite(range.upper))
    throw value_error(message("basin::theory::range_of: F takes values in [", range.lower, ", ", range.upper,
                              "] for scores up to ", score_range,
                              "; lemma 1 needs an F that is positive and finite there"));
  return range;
}

/// Lemma 1: C1 / L <= w_i <= C2 / L with C1 = m / M and C2 = M / m. Neither constant depends on L.
///
/// Source    arXiv 2508.17821, lemma 1; the constants from its proof
/// Shapes    range: of F over the scores, as range_of returns it, or the least and largest F(s_j) of one row
/// Errors    value_error: no key
inline interval weight_bounds(interval range, index_t length) {
  detail::require_length("basin::theory::weight_bounds", length);
  double const ratio = range.upper / range.lower;
  return {1 / (ratio * static_cast<double>(length)), ratio / static_cast<double>(length)};
}

/// Lemma 1 with the weight's own share of the sum kept: m / (m + (L-1) M) <= w_i <= M / (M + (L-1) m).
/// Both ends are attained, by one score at one extreme of F and all others at the other.
///
/// Errors    value_error: no key
inline interval attained_weights(interval range, index_t length) {
  detail::require_length("basin::theory::attained_weights", length);
  double const others = static_cast<double>(length - 1), ratio = range.upper / range.lower;
  return {1 / (1 + others * ratio), 1 / (1 + others / ratio)};
}

/// Corollary 1, for softmax: exp(-2 D/T) / L <= w_i <= exp(2 D/T) / L, where D is the largest |score| (at most |q|
/// times the largest |k|).
///
/// Source    arXiv 2508.17821, corollary 1
/// Errors    value_error: no key, a `score_range` below 0, a temperature that is not positive
inline interval softmax_weight_bounds(double score_range, double temperature, index_t length) {
  detail::require_length("basin::theory::softmax_weight_bounds", length);
  detail::require_score_range("basin::theory::softmax_weight_bounds", score_range);
  detail::require_positive("basin::theory::softmax_weight_bounds", "temperature", temperature);
  double const exponent = 2 * score_range / temperature, per = 1 / static_cast<double>(length);
  return {std::exp(-exponent) * per, std::exp(exponent) * per};
}

/// The bounds of scalable softmax, whose F = L^(s x) depends on L: L^(-1-2sa) <= w_i <= L^(-1+2sa), where a is the
/// largest |score|. The upper bound falls with L only if 2 s a < 1.
///
/// Source    the same proof for F = L^(s x); Nakanishi 2025, arXiv 2501.19399
/// Errors    value_error: no key, `score_range` or `s` below 0
inline interval ssmax_weight_bounds(double score_range, double s, index_t length) {
  detail::require_length("basin::theory::ssmax_weight_bounds", length);
  detail::require_score_range("basin::theory::ssmax_weight_bounds", score_range);
  detail::require_score_range("basin::theory::ssmax_weight_bounds", s);
  double const n = static_cast<double>(length), exponent = 2 * s * score_range;
  return {std::pow(n, -1 - exponent), std::pow(n, -1 + exponent)};
}

/// The least entropy of a row of L softmax weights, in nats: H >= log L - 2 D/T, and at least 0.
///
/// Source    H >= -log max w and corollary 1
/// Errors    as softmax_weight_bounds
inline double least_entropy(double score_range, double temperature, index_t length) {
  return std::max(0.0, -std::log(std::min(1.0, softmax_weight_bounds(score_range, temperature, length).upper)));
}

/// The least D/T at which softmax can still give one of L keys the weight `share`. `corollary`: by corollary 1,
/// log(share L) / 2. `attained` (default): exact, log(share (L-1) / (1-share)) / 2, by a row of one score D and L - 1
/// scores -D.
///
/// Errors    value_error: a share outside (0, 1), no key
enum class score_range_form { corollary, attained };
inline double score_range_needed(double share, index_t length, score_range_form form = score_range_form::attained) {
  detail::require_length("basin::theory::score_range_needed", length);
  if (!(share > 0 && share < 1))
    throw value_error(message("basin::theory::score_range_needed: share is ", share, "; it must lie between 0 and 1"));
  double const n = static_cast<double>(length);
  double const odds = form == score_range_form::corollary ? share * n : share * (n - 1) / (1 - share);
  return std::max(0.0, std::log(odds) / 2);
}

/// The weight that a normalizer gives to one key of score `score_range` among L - 1 keys of score -score_range. An
/// increasing normalizer can give no key more. It falls as 1/L if lemma 1 applies to the normalizer.
///
/// Errors    value_error: no key, a `score_range` below 0
template <normalizer N>
double spike_weight(N const& n, double score_range, index_t length) {
  detail::require_length("basin::theory::spike_weight", length);
  detail::require_score_range("basin::theory::spike_weight", score_range);
  std::vector<double> scores(static_cast<std::size_t>(length), -score_range);
  scores.back() = score_range;
  row_context<double> const context{0, 0, static_cast<double>(length - 1), static_cast<double>(length)};
  auto const row = fit_row(n, std::span<double const>(scores), context);
  return weigh(n, row, score_range);
}

}  // namespace basin::theory
