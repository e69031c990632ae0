// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How strongly weights respond to scores: lemma 2 and corollary 3 of arXiv 2508.17821, in the paper's form and in a
// form that holds, and the finite difference g(T, eps) of its algorithm 5, for any normalizer.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/row_stages.hpp"
#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/theory/bounds.hpp"

namespace basin::theory {

/// Lemma 2 for w_i = F(s_i) / Z, whose Jacobian is J_ij = F'_j / Z (1[i=j] - w_i). Each value is at most the next.
///   frobenius   |J|_F, exactly: sqrt(sum_j (F'_j / Z)^2 (1 - 2 w_j + |w|^2))
///   slopes      sqrt(2) |F'| / Z
///   extremes    sqrt(2 / L) max_j |F'_j| / min_j F_j; it fits what the paper says of its bound
struct jacobian_bounds {
  double frobenius = 0, slopes = 0, extremes = 0;
};

/// Source    arXiv 2508.17821, lemma 2, derived from J because its printed form is not available
/// Shapes    values F(s_j) and slopes F'(s_j) of one row
/// Cost      6 flop per score
/// Errors    shape_error: numbers of values and slopes differ, no key; value_error: an F(s_j) that is not positive
inline jacobian_bounds lemma_2(std::span<double const> values, std::span<double const> slopes) {
  if (values.size() != slopes.size() || values.empty())
    throw shape_error(message("basin::theory::lemma_2: there are ", values.size(), " values of F and ", slopes.size(),
                              " slopes; give one of each per key, for at least 1 key"));
  double z = 0, squares = 0, steepest = 0, least = values[0], norm = 0, w2 = 0;
  for (std::size_t j = 0; j < values.size(); ++j) {
    detail::require_positive("basin::theory::lemma_2", "a value of F", values[j]);
    z += values[j];
    squares += values[j] * values[j];
    norm += slopes[j] * slopes[j];
    steepest = std::max(steepest, std::abs(slopes[j]));
    least = std::min(least, values[j]);
  }
  w2 = squares / (z * z);
  double frobenius = 0;
  for (std::size_t j = 0; j < values.size(); ++j) {
    double const d = slopes[j] / z;
    frobenius += d * d * (1 - 2 * values[j] / z + w2);
  }
  return {std::sqrt(std::max(0.0, frobenius)), std::numbers::sqrt2 * std::sqrt(norm) / z,
          std::sqrt(2 / static_cast<double>(values.size())) * steepest / least};
}

/// Corollary 3 as in the paper, min(1/(4T), sqrt 2). It bounds single entries of the Jacobian of softmax, but not its
/// norm, which is 1/(2T) at w = (1/2, 1/2).
///
/// Source    arXiv 2508.17821, corollary 3 and figure 4
/// Errors    value_error: a temperature that is not positive
inline double printed_gain_bound(double temperature) {
  detail::require_positive("basin::theory::printed_gain_bound", "temperature", temperature);
  return std::min(1 / (4 * temperature), std::numbers::sqrt2);
}

/// An upper bound of |w(s') - w(s)| / eps for |s' - s| = eps: min(lipschitz / T, sqrt(2) / eps).
///
/// `lipschitz` is the largest norm of the normalizer's Jacobian at T = 1: 1/2 for softmax (Nair 2025, arXiv
/// 2510.23012), 1 for sparsemax, s log(n) / 2 for scalable softmax. sqrt(2) is the diameter of the simplex, so the
/// second part needs weights that are at least 0 and sum to at most 1.
///
/// Errors    value_error: a temperature, step or lipschitz that is not positive
inline double gain_bound(double temperature, double step, double lipschitz = 0.5) {
  detail::require_positive("basin::theory::gain_bound", "temperature", temperature);
  detail::require_positive("basin::theory::gain_bound", "step", step);
  detail::require_positive("basin::theory::gain_bound", "lipschitz", lipschitz);
  return std::min(lipschitz / temperature, std::numbers::sqrt2 / step);
}

/// A bound of the Jacobian's norm at one row of softmax: max_i 2 w_i (1 - w_i) / T, by Gershgorin's circles. It is
/// small for a row that is nearly one-hot or nearly uniform; most rows do not reach the worst case 1/T of corollary 3.
inline double softmax_norm_bound(std::span<double const> weights, double temperature) {
  detail::require_positive("basin::theory::softmax_norm_bound", "temperature", temperature);
  double most = 0;
  for (double const w : weights) most = std::max(most, 2 * w * (1 - w));
  return most / temperature;
}

/// A direction drawn uniformly from the unit sphere. Directions of one seed and different `row` are independent.
inline std::vector<double> random_direction(std::size_t dim, std::uint64_t seed, std::uint64_t row) {
  philox rng(seed, row << 24);                                   // 2^24 words for each row: enough for two million keys
  std::vector<double> v(dim);
  double square = 0;
  while (!(square > 0) && dim > 0) {
    for (double& x : v) x = normal(rng);
    for (double const x : v) square += x * x;
  }
  for (double& x : v) x /= std::sqrt(square);
  return v;
}

namespace detail {

template <class N>
void weights_at(N const& n, std::span<double const> scores, row_context<double> context, std::vector<double>& weights) {
  auto const row = fit_row(n, scores, context);
  for (std::size_t j = 0; j < scores.size(); ++j) weights[j] = weigh(n, row, scores[j]);
}

}  // namespace detail

/// g(T, eps) = |w((s + eps v) / T) - w(s / T)| / eps for every T and eps of two lists, along one direction v.
///
/// Source    arXiv 2508.17821, algorithm 5 (there with a new v for each T and eps; one v makes curves comparable)
/// Shapes    scores and direction [visible keys], finite; out [temperatures, steps]
/// Edges     a row without keys gives 0
/// Precision for eps below about 1e-8 the difference of weights is rounding
/// Cost      per temperature, steps + 1 fits of the row and its weights
/// Errors    shape_error: sizes that do not fit; value_error: a temperature or step that is not positive
template <normalizer N>
void gains(N const& n, std::span<double const> scores, std::span<double const> direction,
           std::span<double const> temperatures, std::span<double const> steps, row_context<double> context,
           view<double, 2> out) {
  if (direction.size() != scores.size() || out.extent(0) != static_cast<index_t>(temperatures.size()) ||
      out.extent(1) != static_cast<index_t>(steps.size()))
    throw shape_error(message("basin::theory::gains: ", scores.size(), " scores, a direction of ", direction.size(),
                              ", out [", out.extent(0), ", ", out.extent(1), "] for [", temperatures.size(), ", ",
                              steps.size(), "] temperatures and steps; these must agree"));
  for (double const t : temperatures) detail::require_positive("basin::theory::gains", "temperature", t);
  for (double const e : steps) detail::require_positive("basin::theory::gains", "step", e);
  std::vector<double> moved(scores.size()), here(scores.size()), there(scores.size());
  for (std::size_t t = 0; t < temperatures.size(); ++t) {
    for (std::size_t j = 0; j < scores.size(); ++j) moved[j] = scores[j] / temperatures[t];
    detail::weights_at(n, std::span<double const>(moved), context, here);
    for (std::size_t e = 0; e < steps.size(); ++e) {
      for (std::size_t j = 0; j < scores.size(); ++j)
        moved[j] = (scores[j] + steps[e] * direction[j]) / temperatures[t];
      detail::weights_at(n, std::span<double const>(moved), context, there);
      double square = 0;
      for (std::size_t j = 0; j < scores.size(); ++j) square += (there[j] - here[j]) * (there[j] - here[j]);
      out(static_cast<index_t>(t), static_cast<index_t>(e)) = std::sqrt(square) / steps[e];
    }
  }
}

/// g(T, eps) for one T and one eps.
template <normalizer N>
double gain(N const& n, std::span<double const> scores, std::span<double const> direction, double temperature,
            double step, row_context<double> context) {
  double out = 0;
  gains(n, scores, direction, std::span<double const>(&temperature, 1), std::span<double const>(&step, 1), context,
        contiguous(&out, 1, 1));
  return out;
}

}  // namespace basin::theory
