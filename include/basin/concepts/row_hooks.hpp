// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The hooks and declarations of a normalizer, one concept each. concepts/normalizer.hpp makes its tiers of them.

#include <concepts>
#include <span>
#include <utility>

#include "basin/concepts/jacobian.hpp"
#include "basin/core/coord.hpp"

namespace basin {

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
concept fits_rows = requires(N const n, std::span<double const> scores, row_context<double> context) {
  { n.fit(scores, context) } -> std::same_as<row_of<N>>;
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

/// Whether a row can start before its visible keys are counted: there is no start(), or
/// `using starts_uncounted = std::true_type` declares that start() reads only the position of the row.
/// An online row then needs one pass.
template <class P>
concept starts_uncounted = !requires(P const p, row_context<double> context) { p.start(context); } ||
                           requires { requires P::starts_uncounted::value; };

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

}  // namespace basin
