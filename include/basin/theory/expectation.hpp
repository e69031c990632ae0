// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The distance of distance.hpp for N tokens selected at random: theorem 1, part 2 and corollary 2 of arXiv 2508.17821.
// Its formula, the formula that its figures need, bounds of the true expectation, and an estimate of it by sampling.

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/theory/distance.hpp"

namespace basin::theory {

/// The expected distance (reading a) of N of L tokens drawn without replacement.
///   formula   E  = (L-N)/L sum_i |w_i x_i - N/(L-1) sum_{j != i} w_j x_j|: a lower bound of the expectation (Jensen)
///   printed   E' = (L-N)/L sum_i |w_i x_i - sum_{j != i} w_j x_j|: without the factor N/(L-1); bounds nothing
///   excess    eps: the expectation is at most E + excess
///   upper     an upper bound of the expectation, never above E + excess
struct expected_distance {
  double formula = 0, printed = 0, excess = 0, upper = 0;
};

/// The sums of a row that do not depend on N; with them, every N takes O(keys).
///
/// Source    arXiv 2508.17821, theorem 1, part 2, reconstructed; eps and upper from E|Y| <= sqrt(E|Y|^2), with the
///           variance of N draws without replacement, N (L-1-N) / ((L-1) (L-2)) sum_{j != i} |w_j x_j - mu_i|^2
/// Cost      2 L^2 once, then 3 square roots per key and N
/// Errors    shape_error: a Gram matrix that is too small, no key
class random_selection {
 public:
  template <class G>
  random_selection(std::span<double const> weights, seen_gram<G> const& gram)
      : own(weights.size()), cross(weights.size()) {
    detail::require_seen("basin::theory::random_selection", weights, gram);
    times_gram(gram, weights, std::span<double>(cross));
    for (std::size_t i = 0; i < own.size(); ++i) {
      total += weights[i] * cross[i];
      cross[i] *= weights[i];
      own[i] = weights[i] * weights[i] * gram(static_cast<index_t>(i), static_cast<index_t>(i));
      squares += own[i];
    }
    total = std::max(0.0, total);
    for (std::size_t i = 0; i < own.size(); ++i) {
      all_norms += std::sqrt(std::max(0.0, own[i]));
      all_printed += std::sqrt(std::max(0.0, 4 * own[i] - 4 * cross[i] + total));
    }
  }

  /// Errors    value_error: a count outside [0, L]
  expected_distance of(index_t count) const {
    index_t const keys = static_cast<index_t>(own.size());
    if (count < 0 || count > keys)
      throw value_error(message("basin::theory::random_selection: ", count, " of ", keys,
                                " keys are drawn; the number must lie in [0, ", keys, "]"));
    double const l = static_cast<double>(keys), n = static_cast<double>(count), left = (l - n) / l;
    if (count == keys) return {};
    double const c = keys > 1 ? n / (l - 1) : 0.0;
    double const per = keys > 2 ? n * (l - 1 - n) / ((l - 1) * (l - 2)) : 0.0, share = keys > 1 ? 1 / (l - 1) : 0.0;
    double const a = (1 + c) * (1 + c), b = 2 * c * (1 + c), d = c * c;
    double formula = 0, excess = 0, upper = 0;
    double const *const x = own.data(), *const y = cross.data();
    double const whole = total, sum = squares;
    for (index_t i = 0; i < keys; ++i) {
      double const mean = std::max(0.0, a * x[i] - b * y[i] + d * whole);
      double const others = std::max(0.0, whole - 2 * y[i] + x[i]);           // |sum_{j != i} w_j x_j|^2
      double const variance = per * std::max(0.0, sum - x[i] - share * others);
      formula += std::sqrt(mean);
      excess += std::sqrt(variance);
      upper += std::sqrt(mean + variance);
    }
    return {left * formula, left * all_printed, left * excess, left * upper};
  }

  /// Corollary 2 (i): for fixed N and growing L, the expectation approaches sum_i |w_i x_i|. (ii): of(L) = 0.
  double many_keys_limit() const { return all_norms; }
  /// |sum_i w_i x_i|^2.
  double output_square() const { return total; }
  /// <w_i x_i, sum_j w_j x_j> for every i.
  std::span<double const> shares() const { return cross; }

 private:
  std::vector<double> own, cross;                                // |w_i x_i|^2; <w_i x_i, sum_j w_j x_j>
  double total = 0, squares = 0, all_norms = 0, all_printed = 0;
};

/// A mean over draws and its standard error.
struct drawn_mean {
  double mean = 0, error = 0;
};

/// The expectation in any reading, estimated from `draws` random subsets of `count` keys.
///
/// Precision the mean is unbiased; its error is `error`, estimated from the same draws
/// Cost      draws (N L), reading b draws L^2
/// Determinism run_to_run: depends on the seed only
/// Errors    value_error: a count outside [0, L], fewer than 2 draws
template <class G>
drawn_mean drawn_distance(reading how, std::span<double const> weights, seen_gram<G> const& gram, index_t count,
                          index_t draws, std::uint64_t seed) {
  index_t const keys = static_cast<index_t>(weights.size());
  if (count < 0 || count > keys || draws < 2)
    throw value_error(message("basin::theory::drawn_distance: ", draws, " draws of ", count, " out of ", keys,
                              " keys; draws must be at least 2 and the number lie in [0, ", keys, "]"));
  philox rng(seed);
  std::vector<index_t> order(weights.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<index_t>(i);
  double mean = 0, spread = 0;
  for (index_t draw = 0; draw < draws; ++draw) {
    for (index_t i = 0; i < count; ++i) {                        // the first steps of a Fisher-Yates shuffle
      index_t const other = i + below(rng, static_cast<std::uint32_t>(keys - i));
      std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(other)]);
    }
    auto const chosen = std::span<index_t const>(order).first(static_cast<std::size_t>(count));
    double const x = true_distance(how, weights, gram, chosen);
    double const step = x - mean;
    mean += step / static_cast<double>(draw + 1);
    spread += step * (x - mean);
  }
  double const n = static_cast<double>(draws);
  return {mean, std::sqrt(spread / (n - 1) / n)};
}

}  // namespace basin::theory
