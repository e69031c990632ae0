// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The quantities of distance.hpp, expectation.hpp and distinguish.hpp for one row and a list of N, in one pass over its
// strongest keys. Top-N sets are nested, so the sums for N = 10 continue those for N = 5.

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "basin/config.hpp"
#include "basin/theory/distinguish.hpp"
#include "basin/theory/expectation.hpp"

namespace basin::theory {

/// The distances of one top-N set.
struct row_distance {
  double mass = 0;                                               // A_I, of the selected keys
  double a = 0, b = 0, c = 0;                                    // true_distance in the three readings
  double bound = 0;                                              // of reading a, theorem 1, part 1
  expected_distance expected{};                                  // of reading a, theorem 1, part 2
};

/// How many keys of one top-N set are distinguishable.
struct row_told_apart {
  double share = 0, radius = 0;                                  // N_s / N, r
  distinguishability_bounds bounds{};                            // of the share
};

namespace detail {

inline void require_counts(char const* function, std::span<index_t const> counts, std::size_t results) {
  if (counts.size() != results)
    throw shape_error(message(function, ": there are ", counts.size(), " numbers N and ", results,
                              " results; the numbers must be equal"));
  for (std::size_t n = 0; n < counts.size(); ++n)
    if (counts[n] < 1 || (n > 0 && counts[n] <= counts[n - 1]))
      throw value_error(message(function, ": N is ", counts[n], " at place ", n,
                                "; numbers must be at least 1 and increase"));
}

/// The sums over some of the strongest keys, in order.
template <class G>
class selection_walk {
 public:
  selection_walk(std::span<double const> row_weights, seen_gram<G> const& seen, index_t most)
      : weights(row_weights), gram(seen), order(strongest(row_weights, most)), own(row_weights.size()),
        with(row_weights.size()), farthest(row_weights.size(), -std::numeric_limits<double>::infinity()),
        outside(row_weights.size(), 1.0), scratch(row_weights.size()) {
    for (std::size_t i = 0; i < own.size(); ++i) own[i] = gram(static_cast<index_t>(i), static_cast<index_t>(i));
  }

  void advance(index_t count) {
    for (; taken < static_cast<std::size_t>(count); ++taken) {
      index_t const j = order[taken];
      if (gram.direct()) take(static_cast<std::size_t>(j), gram.direct_row(j));
      else take(static_cast<std::size_t>(j), gram.copied_row(j, scratch));
    }
    square = 0;
    for (auto const j : selected()) square += weights[static_cast<std::size_t>(j)] * with[static_cast<std::size_t>(j)];
  }

  std::span<index_t const> selected() const { return std::span<index_t const>(order).first(taken); }
  double selected_mass() const { return mass; }
  double context_square() const { return square; }

  /// Readings a and c, and the bound of a.
  void measure(row_distance& to) const {
    double const *const w = weights.data(), *const x = own.data(), *const h = with.data();
    double const *const far = farthest.data(), *const out = outside.data();
    double const s = square;
    double a = 0, c = 0, left = 0, size = 0, furthest = 0;
    for (std::size_t i = 0; i < with.size(); ++i) {
      double const weighted = w[i] * (w[i] * x[i] - 2 * h[i]) + s, bare = x[i] - 2 * h[i] + s;
      a += out[i] * std::sqrt(weighted < 0 ? 0 : weighted);
      c += out[i] * std::sqrt(bare < 0 ? 0 : bare);
      left += out[i] * w[i];
      size += out[i] * std::abs(w[i]);
      double const reached = out[i] * (x[i] + far[i]);
      furthest = furthest < reached ? reached : furthest;
    }
    double const others = static_cast<double>(with.size() - taken);
    to.mass = mass;
    to.a = a, to.c = c;
    to.bound = size * std::sqrt(furthest) + (others * mass - left) * std::sqrt(std::max(0.0, longest));
  }

  /// N_s and r, as defined for tell_apart.
  told_apart tell() const {
    double const *const w = weights.data(), *const x = own.data(), *const h = with.data(), *const out = outside.data();
    double const s = square, none = std::numeric_limits<double>::infinity();
    double least = none, largest = s;
    for (std::size_t i = 0; i < with.size(); ++i) {
      double const size = w[i] * w[i] * x[i], raw = size - 2 * w[i] * h[i] + s;
      double const distance = out[i] > 0 ? (raw < 0 ? 0 : raw) : none;
      least = distance < least ? distance : least;
      largest = largest < size ? size : largest;
    }
    double const limit = least + rounding_slack(taken, largest);
    told_apart found{0, std::sqrt(least)};
    for (auto const j : selected()) {
      auto const i = static_cast<std::size_t>(j);
      found.count += w[i] * w[i] * x[i] - 2 * w[i] * h[i] + s <= limit;
    }
    return found;
  }

 private:
  template <class Row>
  void take(std::size_t j, Row const* products) {
    double* const h = with.data();
    double* const far = farthest.data();
    double const by = weights[j], length = own[j];
    BASIN_OMP(simd)
    for (std::size_t i = 0; i < with.size(); ++i) {
      double const product = static_cast<double>(products[i]), reached = length - 2 * product;
      h[i] += by * product;
      far[i] = far[i] < reached ? reached : far[i];
    }
    outside[j] = 0;
    mass += by;
    longest = std::max(longest, length);
  }

  std::span<double const> weights;
  seen_gram<G> gram;
  std::vector<index_t> order;
  std::vector<double> own, with, farthest;                          // G_ii; <x_i, s>; max_j G_jj - 2 G_ij
  std::vector<double> outside, scratch;                             // 1 outside I, else 0; a row of the Gram matrix
  std::size_t taken = 0;
  double mass = 0, square = 0, longest = 0;                      // A_I, |s|^2, d_2^2
};

}  // namespace detail

/// The distances of the top-N sets of a row, for every N of a list.
///
/// Shapes    weights of the visible keys; counts increasing; one result per count
/// Edges     N = L: distances, bound and expectation 0 (reading b: |s|); N > L: all NaN
/// Precision as true_distance; agrees with the functions of one set to rounding (unit/theory/distance.test.cpp)
/// Cost      2 L^2 + 4 L max N flop, 5 square roots per key and N
/// Errors    shape_error, value_error: N do not increase, another number of results, a Gram matrix that is too small
template <class G>
void row_distances(std::span<double const> weights, seen_gram<G> const& gram, std::span<index_t const> counts,
                   std::span<row_distance> out) {
  detail::require_counts("basin::theory::row_distances", counts, out.size());
  detail::require_seen("basin::theory::row_distances", weights, gram);
  index_t const keys = static_cast<index_t>(weights.size());
  random_selection const drawn(weights, gram);
  detail::selection_walk walk(weights, gram, counts.empty() ? 0 : std::min(counts.back(), keys));
  for (std::size_t n = 0; n < counts.size(); ++n) {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    out[n] = {nan, nan, nan, nan, nan, {nan, nan, nan, nan}};
    if (counts[n] > keys) continue;
    walk.advance(counts[n]);
    walk.measure(out[n]);
    double shared = 0;
    for (index_t const j : walk.selected()) shared += drawn.shares()[static_cast<std::size_t>(j)];
    out[n].b = std::sqrt(std::max(0.0, drawn.output_square() - 4 * shared + 4 * walk.context_square()));
    out[n].expected = drawn.of(counts[n]);
  }
}

/// N_s / N and its bounds for the top-N sets of a row, for every N of a list.
///
/// Shapes    as row_distances; `gram` of embeddings on the sphere `on`
/// Edges     N >= L: no key is outside, so r is undefined: all NaN
/// Cost      4 L max N flop, a square root per N, 5 transcendental functions per selected key and N
/// Errors    as row_distances; value_error: see sphere
template <class G>
void row_tell_apart(std::span<double const> weights, seen_gram<G> const& gram, std::span<index_t const> counts,
                    sphere on, std::span<row_told_apart> out) {
  detail::require_counts("basin::theory::row_tell_apart", counts, out.size());
  detail::require_seen("basin::theory::row_tell_apart", weights, gram);
  on.validate();
  index_t const keys = static_cast<index_t>(weights.size());
  detail::selection_walk walk(weights, gram, counts.empty() ? 0 : std::min(counts.back(), keys));
  std::vector<double> chosen;
  for (std::size_t n = 0; n < counts.size(); ++n) {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    out[n] = {nan, nan, {nan, nan, nan, nan, nan}};
    if (counts[n] >= keys) continue;
    walk.advance(counts[n]);
    auto const found = walk.tell();
    if (!std::isfinite(found.radius)) continue;                  // r of a row of NaN is undefined
    chosen.clear();
    for (index_t const j : walk.selected()) chosen.push_back(weights[static_cast<std::size_t>(j)]);
    out[n] = {static_cast<double>(found.count) / static_cast<double>(counts[n]), found.radius,
              bounds_of(chosen, found.radius, on)};
  }
}

}  // namespace basin::theory
