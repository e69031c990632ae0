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
// Every hook is a template over the value type T: float, double, or a SIMD batch whose lanes are different queries.
// A row is `N::row<T>`. A key with a score of -inf has weight 0, like a hidden key.
// The relative error that a normalizer states holds where its exponentials are normal numbers. Subnormal exponentials
// (below about e^-87.33 in float, e^-708.4 in double) are 0 in a SIMD batch and on a GPU, and so are results computed
// from them. At that edge, normal exponentials within 1 % of the smallest normal number may be 0 as well.

#include <cstddef>
#include <cuda/std/array>
#include <span>
#include <type_traits>
#include <utility>

#include "basin/concepts/policy.hpp"
#include "basin/core/coord.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// The Jacobian of the weights of a row in its scores, diagonal minus rank one:
/// ds_j = diag_j * dw_j - outer_j * delta, delta = sum_k carry_k * dw_k   (ds, dw: gradients of a loss).
template <class T>
struct jacobian_terms {
  T diag, outer, carry;
};

/// The same, diagonal minus rank `Rank`; rank 0 is a diagonal matrix:
/// ds_j = diag_j * dw_j - sum_r outer_jr * delta_r, delta_r = sum_k carry_kr * dw_k.
template <class T, std::size_t Rank>
struct low_rank_jacobian {
  static constexpr std::size_t rank = Rank;
  T diag;
  cuda::std::array<T, Rank> outer{}, carry{};
};

/// Converts both kinds of Jacobian to one type.
template <class T>
BASIN_HD low_rank_jacobian<T, 1> as_low_rank(jacobian_terms<T> const& j) {
  return {j.diag, {j.outer}, {j.carry}};
}
template <class T, std::size_t Rank>
BASIN_HD low_rank_jacobian<T, Rank> as_low_rank(low_rank_jacobian<T, Rank> const& j) {
  return j;
}

/// delta_r += carry_kr * dw_k.
template <class T, std::size_t Rank>
BASIN_HD BASIN_INLINE void gather(cuda::std::array<T, Rank>& delta, low_rank_jacobian<T, Rank> const& j, T dweight) {
  for (int r = 0; r < static_cast<int>(Rank); ++r) delta[r] = math::fma(j.carry[r], dweight, delta[r]);
}
/// ds_j, given the complete delta.
template <class T, std::size_t Rank>
BASIN_HD BASIN_INLINE T score_gradient(low_rank_jacobian<T, Rank> const& j, T dweight,
                                       cuda::std::array<T, Rank> const& delta) {
  if constexpr (Rank == 0) {
    return j.diag * dweight;
  } else {
    T sum = j.outer[0] * delta[0];
    for (int r = 1; r < static_cast<int>(Rank); ++r) sum = math::fma(j.outer[r], delta[r], sum);
    return j.diag * dweight - sum;
  }
}

/// The chain rule for a normalizer whose argument is `slope` times the score.
template <class T>
BASIN_HD jacobian_terms<T> through_slope(jacobian_terms<T> const& j, T slope) {
  return {slope * j.diag, slope * j.outer, j.carry};
}
template <class T, std::size_t Rank>
BASIN_HD low_rank_jacobian<T, Rank> through_slope(low_rank_jacobian<T, Rank> j, T slope) {
  j.diag = slope * j.diag;
  for (int r = 0; r < static_cast<int>(Rank); ++r) j.outer[r] = slope * j.outer[r];
  return j;
}

template <class N, class T = double>
using row_of = typename N::template row<T>;
/// The Jacobian of N as a low_rank_jacobian.
template <class N, class T = double>
using jacobian_of = decltype(as_low_rank(std::declval<N const&>().jacobian(std::declval<row_of<N, T> const&>(),
                                                                           std::declval<T>(), std::declval<T>())));

// Each requirement is a named concept, so that a compiler error names what is missing.
template <class N>
concept has_row = requires { typename row_of<N>; };
template <class N>
concept fits_rows = requires(N const n, std::span<double const> scores, row_context<double> at) {
  { n.fit(scores, at) } -> std::same_as<row_of<N>>;
};
template <class N>
concept weighs_scores = requires(N const n, row_of<N> const row, double s) {
  { n.weight(row, s) } -> std::same_as<double>;
};
template <class N>
concept merges_rows = requires(N const n, row_of<N>& row) { n.merge(row, row); };
template <class N>
concept raises_rows = requires(N const n, row_of<N>& row, double s) { n.raise(row, s); };
template <class N>
concept sweeps_rows = requires(N const n, row_of<N>& row, double s) {
  n.absorb(row, s);
  { n.next(row) } -> std::same_as<bool>;
};
template <class N>
concept has_terms = requires(N const n, row_of<N>& row, double s) {
  { n.term(row, s) } -> std::same_as<double>;
  n.add(row, s, s);
  { n.factor(row) } -> std::same_as<double>;
};
template <class N>
concept rescales_rows = requires(N const n, row_of<N>& row) {
  { n.rescale(row, row) } -> std::same_as<double>;
};
template <class N>
concept has_jacobian = requires(N const n, row_of<N> const row, double s) { as_low_rank(n.jacobian(row, s, s)); };

/// `using jacobian_of_weights = std::true_type` declares that jacobian() reads the row and the weight and never the
/// score, as for softmax, and that a key of weight 0 contributes nothing to the Jacobian. Engines then keep weights in
/// place of scores.
template <class N>
concept has_jacobian_of_weights = requires { requires N::jacobian_of_weights::value; };

/// `using carries_weights = std::true_type` declares that carry is the weight, as for softmax.
/// Then delta = sum_k w_k dw_k = <do, o>: given the outputs, delta needs no pass over the keys.
template <class N>
concept carries_weights = requires { requires N::carries_weights::value; };

/// `using gives_zeros = std::true_type` declares that many weights are exactly 0, as for top_k. Engines then test for
/// tiles without a weight and skip their products.
template <class N>
concept gives_zeros = requires { requires N::gives_zeros::value; };

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

/// The row before its first score: n.start(context) if N has it, else an empty row.
template <class T, class N>
BASIN_HD row_of<N, T> start_row(N const& n, row_context<T> at) {
  if constexpr (requires { n.start(at); }) return n.start(at);
  else return {};
}

/// Whether a row can start before its visible keys are counted: there is no start(), or
/// `using starts_uncounted = std::true_type` declares that start() reads only the position of the row.
/// An online row then needs one pass.
template <class P>
concept starts_uncounted = !requires(P const p, row_context<double> at) { p.start(at); } ||
                           requires { requires P::starts_uncounted::value; };

/// A normalizer whose rows need neither a count of visible keys nor a search: engines need one pass.
template <class N>
concept takes_one_sweep = online_normalizer<N> && starts_uncounted<N>;

/// The weight of one score in a finished row.
template <class N, class T>
BASIN_HD T weigh(N const& n, row_of<N, T> const& row, T score) {
  if constexpr (weighs_scores<N>) return n.weight(row, score);
  else return n.term(row, score) * n.factor(row);
}

/// The logarithm of a term (or of a weight, if N has no terms): n.log_term(row, score) if N has it, else by one
/// logarithm per key.
template <class N, class T>
BASIN_HD T log_of_term(N const& n, row_of<N, T> const& row, T score, T term) {
  if constexpr (requires { n.log_term(row, score); }) return n.log_term(row, score);
  else return math::log(term);
}

/// A normalizer that measures terms against the largest score of the row, whose term is 1, and keeps their sum:
/// term_sum(row). Observers that use these totals then add nothing up.
template <class N>
concept knows_term_sum = requires(N const n, row_of<N> const row) {
  { n.term_sum(row) } -> std::same_as<double>;
};

/// A normalizer whose weights are exponentials over a common divisor, w_j = exp(c s_j - L): log_sum_exp(row) returns L.
template <class N>
concept knows_log_sum = requires(N const n, row_of<N> const row) {
  { n.log_sum_exp(row) } -> std::same_as<double>;
};

/// L of a finished row.
template <class T, class N>
BASIN_HD T log_sum_of(N const& n, row_of<N, T> const& row) {
  static_assert(knows_log_sum<N>, "basin: the observer log_sum_exp needs a normalizer with log_sum_exp(row), such as "
                                  "softmax and normalizers that scale its scores; weights of other normalizers are no "
                                  "exponentials over one divisor (concepts/normalizer.hpp)");
  return n.log_sum_exp(row);
}

/// Begins the search of a measured row, before its first pass: calls n.aim(row) if N has it.
template <class N, class Row>
BASIN_HD void begin_search(N const& n, Row& row) {
  if constexpr (requires { n.aim(row); }) n.aim(row);
}

/// Runs the stages of a row that is not fitted whole. `for_each(f)` calls f(score) for every score of the row.
BASIN_WHERE_ITS_ARGUMENTS_DO
template <class N, class Row, class ForEach>
BASIN_HD void run_stages(N const& n, Row& row, ForEach&& for_each) {
  if constexpr (raises_rows<N>) for_each([&](auto s) { n.raise(row, s); });
  if constexpr (sweeps_rows<N>) {
    begin_search(n, row);
    do for_each([&](auto s) { n.absorb(row, s); });
    while (math::any(n.next(row)));
  }
  if constexpr (has_terms<N>) for_each([&](auto s) { n.add(row, s, n.term(row, s)); });
}

/// Computes a finished row from its visible scores, for a normalizer of any tier.
template <class N, class T>
row_of<N, T> fit_row(N const& n, std::span<T const> scores, row_context<T> at) {
  if constexpr (fits_rows<N>) {
    return n.fit(scores, at);
  } else {
    auto row = start_row(n, at);
    run_stages(n, row, [&](auto f) { for (T const s : scores) f(s); });
    return row;
  }
}

}  // namespace basin
