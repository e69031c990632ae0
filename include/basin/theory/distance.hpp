// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The distance of the tokens that a row does not select from the context vector of those it selects: equation 7 and
// theorem 1, part 1 of arXiv 2508.17821, for a given set. The formulas are reconstructed; docs/explanation/limits.md
// gives the sources.

#include <cmath>
#include <span>
#include <vector>

#include "basin/theory/selection.hpp"

namespace basin::theory {

/// Three readings of "the cumulative distance between the context vector s and all non-selected embeddings" (O: the
/// tokens that are not in I). a: sum_{i in O} |w_i x_i - s|, which fits the paper's statements about it; b:
/// |sum_{i in O} w_i x_i - s|, as a review prints it; c: sum_{i in O} |x_i - s|.
enum class reading { a, b, c };

/// The distance of equation 7.
///
/// Source    arXiv 2508.17821, eq. 7
/// Shapes    weights of the visible keys; `selected` any set of them
/// Edges     all keys selected: 0 for a and c, |s| for b
/// Precision |w_i x_i - s|^2 to keys eps times the largest |w_j x_j|^2; so a distance near 0 only to the square root
/// Cost      N L; reading b: N L + L^2
/// Errors    shape_error: a selected key outside the row or named twice, a Gram matrix that is too small
template <class G>
double true_distance(reading how, std::span<double const> weights, seen_gram<G> const& gram,
                     std::span<index_t const> selected) {
  detail::require_seen("basin::theory::true_distance", weights, gram);
  detail::require_selection("basin::theory::true_distance", weights, selected);
  detail::context_products const context(weights, gram, selected);
  auto const outside = detail::outside_of(weights.size(), selected);
  if (how == reading::b) {                                       // |sum_O w_i x_i - s| from its coefficients
    std::vector<double> signs(weights.begin(), weights.end()), product(weights.size());
    for (index_t const i : selected) signs[static_cast<std::size_t>(i)] *= -1;
    times_gram(gram, std::span<double const>(signs), std::span<double>(product));
    double square = 0;
    for (std::size_t i = 0; i < signs.size(); ++i) square += signs[i] * product[i];
    return std::sqrt(std::max(0.0, square));
  }
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (outside[i]) {
      double const own = gram(static_cast<index_t>(i), static_cast<index_t>(i));
      sum += std::sqrt(context.from(how == reading::a ? weights[i] : 1.0, i, own));
    }
  return sum;
}

/// The quantities in part 1 of theorem 1.
struct selection_split {
  double inside = 0, outside = 0;                                // mass of I and of O
  double outside_size = 0;                                       // sum of |w_i| over O; equals `outside` for w_i >= 0
  double d1 = 0, d2 = 0;                                         // max_{i in O, j in I} |x_i - x_j|, max_{j in I} |x_j|
};

template <class G>
selection_split split_of(std::span<double const> weights, seen_gram<G> const& gram, std::span<index_t const> selected) {
  detail::require_seen("basin::theory::split_of", weights, gram);
  detail::require_selection("basin::theory::split_of", weights, selected);
  auto const outside = detail::outside_of(weights.size(), selected);
  selection_split of;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    (outside[i] ? of.outside : of.inside) += weights[i];
    if (outside[i]) of.outside_size += std::abs(weights[i]);
  }
  for (index_t const j : selected) {
    double const own = gram(j, j);
    of.d2 = std::max(of.d2, std::sqrt(std::max(0.0, own)));
    for (index_t i = 0; i < static_cast<index_t>(weights.size()); ++i)
      if (outside[static_cast<std::size_t>(i)])
        of.d1 = std::max(of.d1, std::sqrt(std::max(0.0, gram(i, i) + own - 2 * gram(i, j))));
  }
  return of;
}

/// The sets to which the closed form of theorem 1 applies: the N largest weights, or any set.
enum class selection { top, any };

/// An upper bound of true_distance(how, ...). With A_I, A_O the mass inside and outside (in the term of d_1: of |w_i|):
///   a, top:  A_O d_1 + (|O| A_I - A_O) d_2           a, any:  A_O d_1 + sum_{i in O} |A_I - w_i| d_2
///   b:       A_O d_1 + |A_O - A_I| d_2               c:       |O| (d_1 + |1 - A_I| d_2)
///
/// Source    arXiv 2508.17821, theorem 1, part 1 (reading a, top, A_I + A_O = 1). Proof for any set: with p_j = w_j /
///           A_I, w_i x_i - s = sum_{j in I} p_j [w_i (x_i - x_j) + (w_i - A_I) x_j]; for a top set w_i <= A_I
/// Precision exceeded only by rounding; attained (all selected x_j equal, x_i opposite:
///           property/theory_bounds.test.cpp)
/// Edges     selected weights must be at least 0; others may have any sign; the sum need not be 1
/// Cost      N L
/// Errors    as true_distance
template <class G>
double distance_bound(reading how, std::span<double const> weights, seen_gram<G> const& gram,
                      std::span<index_t const> selected, selection kind = selection::any) {
  auto const of = split_of(weights, gram, selected);
  auto const outside = detail::outside_of(weights.size(), selected);
  double const left = static_cast<double>(weights.size() - selected.size());
  if (how == reading::b) return of.outside_size * of.d1 + std::abs(of.outside - of.inside) * of.d2;
  if (how == reading::c) return left * (of.d1 + std::abs(1 - of.inside) * of.d2);
  if (kind == selection::top) return of.outside_size * of.d1 + (left * of.inside - of.outside) * of.d2;
  double perturbed = 0;
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (outside[i]) perturbed += std::abs(of.inside - weights[i]);
  return of.outside_size * of.d1 + perturbed * of.d2;
}

}  // namespace basin::theory
