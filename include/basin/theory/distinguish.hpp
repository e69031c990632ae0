// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How many selected tokens can be distinguished from the rest by their distance to the context vector: N_s of equation
// 10 and theorem 2 of arXiv 2508.17821, the two bounds of the paper, and bounds that can be proved.

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "basin/theory/selection.hpp"

namespace basin::theory {

/// Assumptions 1 and 2: embeddings of length `radius`, no two nearer than `separation`, in `dim` dimensions (0 if
/// unknown).
struct sphere {
  double radius = 1, separation = 0;
  index_t dim = 0;

  void validate() const {
    if (!(radius > 0) || !(separation >= 0) || dim < 0)
      throw value_error(message("basin::theory::sphere: radius ", radius, ", separation ", separation, ", dim ", dim,
                                "; the radius must be positive, the others at least 0"));
  }
};

namespace detail {

/// Rounding error of |w_i x_i - s|^2 = |w_i x_i|^2 - 2 w_i <x_i, s> + |s|^2 after `count` products.
inline double rounding_slack(std::size_t count, double largest) {
  return 4 * (static_cast<double>(count) + 4) * std::numeric_limits<double>::epsilon() * largest;
}

}  // namespace detail

/// N_s: selected keys with |w_i x_i - s| <= r, where r is the least such distance of the keys that are not selected.
struct told_apart {
  index_t count = 0;
  double radius = 0;             // r; infinite if all keys are selected, and then all are distinguishable
};

/// Source    arXiv 2508.17821, eq. 10, with r as in its experiments
/// Edges     N = 1 always gives 1. Distances that agree to rounding count as equal: squares within 4 (N + 4) eps
///           max_i |w_i x_i|^2
/// Cost      N L
/// Errors    shape_error: a selected key outside the row or named twice, a Gram matrix that is too small
template <class G>
told_apart tell_apart(std::span<double const> weights, seen_gram<G> const& gram, std::span<index_t const> selected) {
  detail::require_seen("basin::theory::tell_apart", weights, gram);
  detail::require_selection("basin::theory::tell_apart", weights, selected);
  detail::context_products const context(weights, gram, selected);
  auto const outside = detail::outside_of(weights.size(), selected);
  double least = std::numeric_limits<double>::infinity(), largest = context.square;
  std::vector<double> squares(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double const own = gram(static_cast<index_t>(i), static_cast<index_t>(i));
    squares[i] = context.from(weights[i], i, own);
    largest = std::max(largest, weights[i] * weights[i] * own);
    if (outside[i]) least = std::min(least, squares[i]);
  }
  double const slack = detail::rounding_slack(selected.size(), largest);
  told_apart found{0, std::sqrt(least)};
  for (index_t const i : selected) found.count += squares[static_cast<std::size_t>(i)] <= least + slack;
  return found;
}

/// Bounds of E[N_s] / N for the weights of the selected keys and a radius r.
///   lower        1 - sum_i xi_i / (r N), as in the paper; holds, mostly below 0 (clip it)
///   lower_count  share of keys with xi_i <= r; holds for every placement of the tokens; never below `lower`
///   upper        sum_i exp(-(xi_i - r)_+^2 / (2 M^2)) / N, as in the paper; does NOT hold: xi_i bounds E|.| from above
///   upper_range  the same proof with a lower bound of E|.| and the range M S1; holds for independent uniform tokens
///                and a fixed r
///   upper_tight  by bounded differences (McDiarmid) and E|.| >= M sqrt(S2 / (1 + 2/d)); holds for the same, never
///                above upper_range
/// S1 and S2 are the sums of w_j and w_j^2 over j in I, j != i.
struct distinguishability_bounds {
  double lower = 0, lower_count = 0, upper = 0, upper_range = 0, upper_tight = 0;
};

namespace detail {

/// Sums over the other selected keys, for theorem 2.
struct spread_around {
  double s1 = 0, s2 = 0, xi = 0;

  /// exp(-2 t^2 / width^2) for a mean that exceeds r by t > 0; else 1.
  static double tail(double mean, double r, double width) {
    double const t = mean - r;
    return t > 0 && width > 0 ? std::exp(-2 * t * t / (width * width)) : t > 0 ? 0.0 : 1.0;
  }
  double range_tail(double r, sphere const& on) const {
    return s1 > 0 ? tail(on.radius * s2 / s1, r, on.radius * s1) : tail(0, r, 0);
  }
  double difference_tail(double r, sphere const& on) const {
    double const d = on.dim > 0 ? static_cast<double>(on.dim) : 1.0;
    return tail(on.radius * std::sqrt(s2 / (1 + 2 / d)), r, 2 * on.radius * std::sqrt(s2));
  }
};

/// Sums over all keys but one, from both sides: a difference of sums would lose small weights beside a large one.
inline std::vector<spread_around> spreads_around(std::span<double const> weights, sphere const& on) {
  std::vector<spread_around> around(weights.size());
  double const m = on.radius * on.radius;
  double s1 = 0, s2 = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    around[i].s1 = s1, around[i].s2 = s2;
    s1 += weights[i], s2 += weights[i] * weights[i];
  }
  s1 = s2 = 0;
  for (std::size_t i = weights.size(); i-- > 0;) {
    auto& a = around[i];
    a.s1 += s1, a.s2 += s2;
    double const cross = std::max(0.0, a.s1 * a.s1 - a.s2);
    a.xi = std::sqrt(std::max(0.0, m * a.s2 + (m - on.separation * on.separation / 2) * cross));
    s1 += weights[i], s2 += weights[i] * weights[i];
  }
  return around;
}

}  // namespace detail

/// xi_i for every selected key: an upper bound of |sum_{j in I, j != i} w_j x_j| for every placement of the tokens.
///
/// Source    arXiv 2508.17821, theorem 2: xi_i^2 = M^2 S2 + (M^2 - delta^2/2) (S1^2 - S2)
/// Errors    see sphere
inline std::vector<double> spreads(std::span<double const> selected_weights, sphere on) {
  on.validate();
  std::vector<double> xi;
  for (auto const& around : detail::spreads_around(selected_weights, on)) xi.push_back(around.xi);
  return xi;
}

/// The bounds of theorem 2, and those that can be proved.
///
/// Source    arXiv 2508.17821, theorem 2, eq. 11, reconstructed. upper_range: one bounded variable in [0, M S1] with
///           E|.| >= E|.|^2 / (M S1) = M S2 / S1. upper_tight: |.| changes by at most 2 M w_j with x_j; E|.| >=
///           (E|.|^2)^(3/2) / (E|.|^4)^(1/2) and E|.|^4 <= M^4 S2^2 (1 + 2/d)
/// Shapes    weights of the selected keys alone, at least 0
/// Edges     no key: all bounds 1. r = 0 counts keys with xi_i = 0
/// Cost      5 transcendental functions per selected key
/// Errors    value_error: r below 0 or NaN; see sphere
inline distinguishability_bounds bounds_of(std::span<double const> selected_weights, double r, sphere on) {
  on.validate();
  if (!(r >= 0))
    throw value_error(message("basin::theory::bounds_of: the radius of the ball is ", r, "; it must be at least 0"));
  double const n = static_cast<double>(selected_weights.size());
  if (n == 0) return {1, 1, 1, 1, 1};
  distinguishability_bounds total;
  for (auto const& others : detail::spreads_around(selected_weights, on)) {
    double const over = std::max(0.0, others.xi - r) / on.radius;
    double const range = others.range_tail(r, on);
    total.lower += others.xi > 0 ? others.xi / r : 0.0;
    total.lower_count += others.xi <= r;
    total.upper += std::exp(-over * over / 2);
    total.upper_range += range;
    total.upper_tight += std::min(range, others.difference_tail(r, on));
  }
  return {1 - total.lower / n, total.lower_count / n, total.upper / n, total.upper_range / n, total.upper_tight / n};
}

/// The share of tokens that at least one of H independent heads distinguishes, each with probability p.
///
/// Source    arXiv 2508.17821, section 2.2: 1 - (1 - p)^H; p = 0.8 and H = 3 give 0.992
/// Errors    value_error: p outside [0, 1], a number of heads below 0
inline double head_coverage(double p, index_t heads) {
  if (!(p >= 0 && p <= 1) || heads < 0)
    throw value_error(message("basin::theory::head_coverage: p is ", p, " and there are ", heads,
                              " heads; p must lie in [0, 1] and heads be at least 0"));
  return 1 - std::pow(1 - p, static_cast<double>(heads));
}

}  // namespace basin::theory
