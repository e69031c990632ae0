// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A normalizer turns the visible scores of one query into weights. It commits itself in three steps, and what it offers
// decides what engines can do with it:
//
//   whole row    fit(scores, context), weight                    enough for every CPU path
//   streamable   absorb, next, merge, weight or terms            sweeps over tiles, splits and devices
//   online       raise, terms, rescale, merge                    one sweep, accumulators rescaled on the way
//
// where terms are: term, add, factor. A row that is not fitted whole goes through up to three stages, each over all scores:
//
//   measure      raise(row, score)                               what terms are measured against: a maximum
//   search       aim(row)?, absorb(row, score), next(row)        sweeps until next() is content: a threshold
//   sum          add(row, score, term(row, score))               what terms are divided by; weight = term * factor(row)
//
// Every hook is a template over the value type T: float, double, or a SIMD batch whose lanes are different queries. A relative error that a
// normalizer states holds where its exponentials are normal numbers: a subnormal one (below e^-87.3 in float, e^-708.4 in double) is 0 in a
// SIMD batch and on a GPU, and so is what is made of it.
// A row is `N::row<T>`. A score of -inf is the same as a key that is not visible: its weight is 0.

#include <cstddef>
#include <cuda/std/array>
#include <span>
#include <type_traits>
#include <utility>

#include "basin/concepts/policy.hpp"
#include "basin/core/coord.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// The Jacobian of a row of weights, diagonal minus rank one:
/// ds_j = diag_j * dw_j - outer_j * delta, delta = sum_k carry_k * dw_k   (ds, dw: gradients of a loss).
template <class T>
struct jacobian_terms {
  T diag, outer, carry;
};

/// The same, minus rank Rank: ds_j = diag_j * dw_j - sum_r outer_jr * delta_r, delta_r = sum_k carry_kr * dw_k. Rank 0 is a
/// diagonal.
template <class T, std::size_t Rank>
struct low_rank_jacobian {
  static constexpr std::size_t rank = Rank;
  T diag;
  cuda::std::array<T, Rank> outer{}, carry{};
};

/// Both kinds of Jacobian as one, for those who must not care: engines, norms, tests.
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
/// ds_j, once delta is complete.
template <class T, std::size_t Rank>
BASIN_HD BASIN_INLINE T score_gradient(low_rank_jacobian<T, Rank> const& j, T dweight, cuda::std::array<T, Rank> const& delta) {
  if constexpr (Rank == 0) {
    return j.diag * dweight;
  } else {
    T sum = j.outer[0] * delta[0];
    for (int r = 1; r < static_cast<int>(Rank); ++r) sum = math::fma(j.outer[r], delta[r], sum);
    return j.diag * dweight - sum;
  }
}

/// The chain rule where the normalizer was given `slope` times the score.
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
using jacobian_of = decltype(as_low_rank(std::declval<N const&>().jacobian(std::declval<row_of<N, T> const&>(), std::declval<T>(), std::declval<T>())));

// Each requirement has a name of its own: a compiler that says which one failed says what is missing.
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

/// A normalizer whose jacobian() reads the row and the weight and never the score, as softmax's does, says so by
/// `using jacobian_of_weights = std::true_type`. Engines then need not keep the scores: weights take their place. Where its weight
/// is 0, a key has no part in the Jacobian.
template <class N>
concept has_jacobian_of_weights = requires { requires N::jacobian_of_weights::value; };

/// A normalizer whose carry is the weight, as softmax's is, says so by `using carries_weights = std::true_type`. Then
/// delta = sum_k w_k dw_k = <do, o>, and who has the outputs need not meet the keys for it.
template <class N>
concept carries_weights = requires { requires N::carries_weights::value; };

/// A normalizer that gives many keys a weight of exactly 0, as top_k does, says so by `using gives_zeros = std::true_type`. Engines then look for
/// tiles without a weight and leave out what would be made of them.
template <class N>
concept gives_zeros = requires { requires N::gives_zeros::value; };

template <class N>
concept whole_row_normalizer = policy<N> && has_row<N> && fits_rows<N> && weighs_scores<N>;

/// Requires  absorb(row, score): one score of this sweep; next(row): ends a sweep, true if the row needs another one;
///           merge(into, from): joins two parts of a row that were swept from the same start;
///           weight(row, score) when the search is over, or terms; optional: aim(row), called once between the measure and the search,
///           which a decorator hands on: without it a search is right, and longer
/// Laws      merge is associative and the row at the start of a sweep is its identity; the order of scores does not matter
template <class N>
concept streamable_normalizer =
    policy<N> && has_row<N> && sweeps_rows<N> && merges_rows<N> && (weighs_scores<N> || has_terms<N>);

/// Requires  raise(row, score): moves what terms are measured against; term(row, score): a weight not yet normalised;
///           add(row, score, term): takes it into the row; factor(row): weight = factor * term;
///           rescale(old, now): what terms and sums taken under `old` are multiplied by after a raise to `now`
/// Laws      those of a streamable normalizer; rescale(row, row) = 1
template <class N>
concept online_normalizer =
    policy<N> && has_row<N> && raises_rows<N> && has_terms<N> && rescales_rows<N> && merges_rows<N>;

/// log2 of a term as a line in the score: slope s - offset.
template <class T>
struct exponent_line {
  T slope, offset;
};

/// That of exp(steepness (s - max)). A row without a score is measured against 0, so that -inf stands for 2^-inf there, too.
template <class T>
BASIN_HD exponent_line<T> exponent_below(T max, T steepness) {
  T const slope = T(static_cast<math::scalar_of<T>>(math::log2_of_e)) * steepness;
  return {slope, math::select(max == math::lowest<T>(), T(0), slope * max)};
}

/// A normalizer whose terms are exponentials of the scores, and whose rows are raised by the largest of them (the least, where the slope is
/// negative) and sum their terms up. Engines may then make a term from a product <q, k> in one multiply-add and one exponential, where scores
/// are its multiples, take a maximum over products, and raise a row by it alone.
///
/// Requires  exponent(row): log2 of term(row, s) as a line in s
/// Laws      2^(slope s - offset) = term(row, s) to rounding; a raise does not change the slope; raise(row, s) of several scores = raise of
///           the one with the largest slope s; add() does not read the score, and takes a sum of terms as it takes them one by one; there is
///           no search
/// Edges     a GPU takes scores whose exponent is below -2^24 for keys that are not seen
template <class N>
concept exponential_normalizer = online_normalizer<N> && !sweeps_rows<N> && requires(N const n, row_of<N> const row) {
  { n.exponent(row) } -> std::same_as<exponent_line<double>>;
};

template <class N>
concept normalizer = whole_row_normalizer<N> || streamable_normalizer<N> || online_normalizer<N>;

/// A normalizer through which gradients flow.
template <class N>
concept differentiable_normalizer = normalizer<N> && has_jacobian<N>;

/// The row before its first score: n.start(context) where there is one, else an empty row.
template <class T, class N>
BASIN_HD row_of<N, T> start_row(N const& n, row_context<T> at) {
  if constexpr (requires { n.start(at); }) return n.start(at);
  else return {};
}

/// Whether rows can start before anybody has counted the keys that a query sees: there is no start(), or it reads only where
/// the row stands and says so by `using starts_uncounted = std::true_type`. Engines can then take an online row in one sweep.
template <class P>
concept starts_uncounted = !requires(P const p, row_context<double> at) { p.start(at); } || requires { requires P::starts_uncounted::value; };

/// A row that needs neither a count of visible keys nor a search: engines can take it in one sweep.
template <class N>
concept takes_one_sweep = online_normalizer<N> && starts_uncounted<N>;

/// The weight of one score in a finished row.
template <class N, class T>
BASIN_HD T weigh(N const& n, row_of<N, T> const& row, T score) {
  if constexpr (weighs_scores<N>) return n.weight(row, score);
  else return n.term(row, score) * n.factor(row);
}

/// The logarithm of a term (or of a weight where there are no terms), from the row where the normalizer can say it without
/// a logarithm for every key.
template <class N, class T>
BASIN_HD T log_of_term(N const& n, row_of<N, T> const& row, T score, T term) {
  if constexpr (requires { n.log_term(row, score); }) return n.log_term(row, score);
  else return math::log(term);
}

/// A normalizer that measures terms against the largest score of the row, whose term is 1, and keeps their sum: term_sum(row).
/// Observers that ask for these totals then need not add them up.
template <class N>
concept knows_term_sum = requires(N const n, row_of<N> const row) {
  { n.term_sum(row) } -> std::same_as<double>;
};

/// A normalizer whose weights are exponentials over a common divisor, w_j = exp(c s_j - L): log_sum_exp(row) gives L.
template <class N>
concept knows_log_sum = requires(N const n, row_of<N> const row) {
  { n.log_sum_exp(row) } -> std::same_as<double>;
};

/// L of a finished row.
template <class T, class N>
BASIN_HD T log_sum_of(N const& n, row_of<N, T> const& row) {
  static_assert(knows_log_sum<N>, "basin: the observer log_sum_exp needs a normalizer with log_sum_exp(row), as softmax has and those that scale its scores; "
                                  "weights of other normalizers are no exponentials over one divisor (concepts/normalizer.hpp)");
  return n.log_sum_exp(row);
}

/// Before the first sweep of a search, once a row is measured: n.aim(row) where there is one.
template <class N, class Row>
BASIN_HD void begin_search(N const& n, Row& row) {
  if constexpr (requires { n.aim(row); }) n.aim(row);
}

/// Takes a row that is not fitted whole through its stages. `for_each(f)` calls f(score) for every score of the row.
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

/// A finished row from its visible scores, whatever the tier of the normalizer.
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
