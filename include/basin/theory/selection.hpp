// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The tokens that a row selects: the N largest weights of its visible keys, and their context vector.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/theory/gram.hpp"

namespace basin::theory {

/// I_N: the indices of the `count` largest weights (or of all, if there are fewer), largest first; of equal weights,
/// the first.
///
/// Source    arXiv 2508.17821, section 2.1
/// Edges     a NaN counts as the smallest weight
/// Cost      keys log count
/// Errors    value_error: a count below 0
inline std::vector<index_t> strongest(std::span<double const> weights, index_t count) {
  if (count < 0) throw value_error(message("basin::theory::strongest: count is ", count, "; it must be at least 0"));
  std::vector<index_t> order(weights.size());
  std::iota(order.begin(), order.end(), index_t{0});
  auto const size_of = [&](index_t i) {
    double const w = weights[static_cast<std::size_t>(i)];
    return std::isnan(w) ? -std::numeric_limits<double>::infinity() : w;
  };
  auto const last = order.begin() + std::min(count, static_cast<index_t>(weights.size()));
  std::partial_sort(order.begin(), last, order.end(), [&](index_t a, index_t b) {
    double const x = size_of(a), y = size_of(b);
    return x > y || (x == y && a < b);
  });
  order.resize(static_cast<std::size_t>(last - order.begin()));
  return order;
}

/// The visible part of a row: weights and scores of its visible keys, and their indices (none if they are the first
/// keys of the text, as under a causal mask).
struct visible_row {
  std::vector<double> weights, scores;
  std::vector<index_t> keys;

  template <class G>
  seen_gram<G> seen(view<G const, 2> gram) const { return {gram, keys}; }
};

/// The visible part of a row over all keys; a score of -inf marks a hidden key.
///
/// Errors    shape_error: numbers of weights and scores differ
inline visible_row visible_of(std::span<double const> weights, std::span<double const> scores) {
  if (weights.size() != scores.size())
    throw shape_error(message("basin::theory::visible_of: there are ", weights.size(), " weights and ", scores.size(),
                              " scores; the numbers must be equal"));
  visible_row seen;
  seen.weights.reserve(weights.size());
  seen.scores.reserve(weights.size());
  bool first_ones = true;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    if (scores[j] == -std::numeric_limits<double>::infinity()) continue;
    first_ones = first_ones && seen.weights.size() == j;
    seen.weights.push_back(weights[j]);
    seen.scores.push_back(scores[j]);
    seen.keys.push_back(static_cast<index_t>(j));
  }
  if (first_ones) seen.keys.clear();
  return seen;
}

namespace detail {

inline void require_selection(char const* function, std::span<double const> weights,
                              std::span<index_t const> selected) {
  std::vector<bool> taken(weights.size());
  for (index_t const i : selected) {
    if (i < 0 || i >= static_cast<index_t>(weights.size()))
      throw shape_error(message(function, ": key ", i, " is selected from a row of ", weights.size(),
                                " keys; it must be one of them"));
    if (taken[static_cast<std::size_t>(i)])
      throw shape_error(message(function, ": key ", i, " is selected twice; name every key once"));
    taken[static_cast<std::size_t>(i)] = true;
  }
}

template <class G>
void require_seen(char const* function, std::span<double const> weights, seen_gram<G> const& gram) {
  require_square(function, gram.all);
  index_t const rows = gram.keys.empty() ? gram.all.extent(0) : static_cast<index_t>(gram.keys.size());
  if (static_cast<index_t>(weights.size()) > rows || weights.empty())
    throw shape_error(message(function, ": ", weights.size(), " weights and a Gram matrix of ", rows,
                              " visible keys; give at least 1 weight and a row for each"));
}

/// <x_i, s> for every visible i, and |s|^2, with s = sum_{j in I} w_j x_j.
struct context_products {
  std::vector<double> with;      // h_i
  double square = 0;

  template <class G>
  context_products(std::span<double const> weights, seen_gram<G> const& gram, std::span<index_t const> selected)
      : with(weights.size()) {
    std::vector<double> copy(weights.size());
    for (index_t const j : selected) {
      double const* const row = gram.copied_row(j, copy);
      double const by = weights[static_cast<std::size_t>(j)];
      for (std::size_t i = 0; i < with.size(); ++i) with[i] += by * row[i];
    }
    for (index_t const j : selected) square += weights[static_cast<std::size_t>(j)] * with[static_cast<std::size_t>(j)];
  }
  /// |b x_i - s|^2.
  double from(double b, std::size_t i, double own) const {
    return std::max(0.0, b * b * own - 2 * b * with[i] + square);
  }
};

inline std::vector<bool> outside_of(std::size_t keys, std::span<index_t const> selected) {
  std::vector<bool> outside(keys, true);
  for (index_t const i : selected) outside[static_cast<std::size_t>(i)] = false;
  return outside;
}

}  // namespace detail

/// The context vector s = sum_{i in I} w_i x_i; the weights are not renormalised.
///
/// Source    arXiv 2508.17821, eq. 6
/// Shapes    weights of the visible keys; embeddings [visible keys or more, dim]
/// Errors    shape_error: a selected key outside the row or named twice, fewer embeddings than weights
template <class X>
std::vector<double> context_vector(std::span<double const> weights, view<X const, 2> embeddings,
                                   std::span<index_t const> selected) {
  if (embeddings.extent(0) < static_cast<index_t>(weights.size()))
    throw shape_error(message("basin::theory::context_vector: ", weights.size(), " weights and ", embeddings.extent(0),
                              " embeddings; every key needs one"));
  detail::require_selection("basin::theory::context_vector", weights, selected);
  std::vector<double> s(static_cast<std::size_t>(embeddings.extent(1)));
  for (index_t const i : selected) {
    double const w = weights[static_cast<std::size_t>(i)];
    for (std::size_t d = 0; d < s.size(); ++d) s[d] += w * static_cast<double>(embeddings(i, static_cast<index_t>(d)));
  }
  return s;
}

/// |s|, the length of the context vector; the weights are not renormalised.
///
/// Source    arXiv 2508.17821, eq. 6
/// Errors    shape_error: a selected key outside the row or named twice, a Gram matrix that is too small
template <class G>
double context_norm(std::span<double const> weights, seen_gram<G> const& gram, std::span<index_t const> selected) {
  detail::require_seen("basin::theory::context_norm", weights, gram);
  detail::require_selection("basin::theory::context_norm", weights, selected);
  return std::sqrt(std::max(0.0, detail::context_products(weights, gram, selected).square));
}

}  // namespace basin::theory
