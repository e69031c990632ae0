// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A normalizer turns the visible scores of one query into weights. Its hooks put it into one of three tiers, which
// decide what engines can do with it:
//
//   whole row    fit(scores, context), weight                    sufficient for the reference and the CPU engine
//   streamable   absorb, next, merge, weight or terms            passes over tiles, splits and devices
//   online       raise, terms, rescale, merge                    one pass; accumulators are rescaled
//
// "terms" are the hooks term (an unnormalised weight), add and factor (the normalising factor). A row that is not
// fitted whole goes through up to three stages, each over all scores:
//
//   measure      raise(row, score)                               the reference of the terms: a maximum
//   search       aim(row)?, absorb(row, score), next(row)        a threshold: repeats passes until next() returns false
//   sum          add(row, score, term(row, score))               the divisor of the terms; weight = term * factor(row)
//
// raise() updates the reference of a row, usually the running maximum of its scores. aim(), which is optional, begins
// the search of a measured row: it chooses a first estimate of the threshold before the first pass. For gradients, a
// normalizer has jacobian(row, score, weight); jacobian.hpp has its results. Each hook is a concept in row_hooks.hpp,
// and row_stages.hpp runs the stages.
//
// Every hook is a template over the value type T: float, double, or a SIMD batch whose lanes are different queries.
// A row is `N::row<T>`. A key with a score of -inf has weight 0, like a hidden key.
// The relative error that a normalizer states holds where its exponentials are normal numbers. Subnormal exponentials
// (below about e^-87.33 in float, e^-708.4 in double) are 0 in a SIMD batch and on a GPU, and so are results computed
// from them. At that edge, normal exponentials within 1 % of the smallest normal number may be 0 as well.

#include <concepts>

#include "basin/concepts/jacobian.hpp"
#include "basin/concepts/policy.hpp"
#include "basin/concepts/row_hooks.hpp"
#include "basin/concepts/row_stages.hpp"
#include "basin/core/math.hpp"

namespace basin {

template <class N>
concept whole_row_normalizer = policy<N> && has_row<N> && fits_rows<N> && weighs_scores<N>;

/// Requires  absorb(row, score): takes one score of the current pass; next(row): ends a pass, true if the row needs
///           another one; merge(into, from): joins two parts of a row that began the pass with the same state;
///           weight(row, score) after the search, or terms; optional: aim(row), called once between measure and search.
///           A decorator forwards aim(); without it the search is correct, but longer
/// Laws      merge is associative, and the row at the start of a pass is its identity; the order of scores does not
///           matter
template <class N>
concept streamable_normalizer =
    policy<N> && has_row<N> && sweeps_rows<N> && merges_rows<N> && (weighs_scores<N> || has_terms<N>);

/// Requires  raise(row, score): updates the reference of the terms; term(row, score): the unnormalised weight;
///           add(row, score, term): adds a term to the row; factor(row): weight = factor * term;
///           rescale(old, now): the factor for terms and sums that were computed under `old`, after raise() made it
///           `now`
/// Laws      those of a streamable normalizer; rescale(row, row) = 1
template <class N>
concept online_normalizer =
    policy<N> && has_row<N> && raises_rows<N> && has_terms<N> && rescales_rows<N> && merges_rows<N>;

/// log2 of a term as a line in the score: slope s - offset.
template <class T>
struct exponent_line {
  T slope, offset;
};

/// The line of exp(steepness (s - max)). In a row without a score, max counts as 0, so that -inf gives 2^-inf there
/// too.
template <class T>
BASIN_HD exponent_line<T> exponent_below(T max, T steepness) {
  T const slope = T(static_cast<math::scalar_of<T>>(math::log2_of_e)) * steepness;
  return {slope, math::select(max == math::lowest<T>(), T(0), slope * max)};
}

/// A normalizer whose terms are exponentials of the scores. Its rows keep the largest score (the least, if the slope is
/// negative) and the sum of the terms. If scores are multiples of products <q, k>, engines compute a term from a
/// product by one multiply-add and one exponential, take the maximum over products, and call raise() for it alone.
///
/// Requires  exponent(row): log2 of term(row, s) as a line in s
/// Laws      2^(slope s - offset) = term(row, s) up to rounding; raise() does not change the slope; raise() for several
///           scores equals raise() for the one with the largest slope s; add() does not read the score, and adding a
///           sum of terms equals adding them one by one; there is no search
/// Edges     on a GPU, a key whose exponent is below -2^24 counts as hidden
template <class N>
concept exponential_normalizer = online_normalizer<N> && !sweeps_rows<N> && requires(N const n, row_of<N> const row) {
  { n.exponent(row) } -> std::same_as<exponent_line<double>>;
};

template <class N>
concept normalizer = whole_row_normalizer<N> || streamable_normalizer<N> || online_normalizer<N>;

/// A normalizer with gradients.
template <class N>
concept differentiable_normalizer = normalizer<N> && has_jacobian<N>;

/// A normalizer whose rows need neither a count of visible keys nor a search: engines need one pass.
template <class N>
concept takes_one_sweep = online_normalizer<N> && starts_uncounted<N>;

}  // namespace basin
