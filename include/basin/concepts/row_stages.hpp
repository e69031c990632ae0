// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// From the visible scores of a row to its weights: the start of a row, its stages (concepts/normalizer.hpp), and what
// is computed from a finished row. Where a normalizer lacks an optional hook, these functions do without it.
//
// A stage takes a pass: a callable that reads all scores once, and calls its argument, step(part, score), for each of
// them. `part` is the row itself, or, if the pass reads the row in parts and then merges them, a copy of the row as it
// was before the pass. A part and its scores may have another value type than the row, such as SIMD batches of keys.
// One pass may read several rows.

#include <span>

#include "basin/concepts/row_hooks.hpp"
#include "basin/core/coord.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// The row before its first score: n.start(context) if N has it, else an empty row.
template <class T, class N>
BASIN_HD row_of<N, T> start_row(N const& n, row_context<T> context) {
  if constexpr (requires { n.start(context); }) return n.start(context);
  else return {};
}

/// Begins the search of a measured row, before its first pass: calls n.aim(row) if N has it.
template <class N, class Row>
BASIN_HD void begin_search(N const& n, Row& row) {
  if constexpr (requires { n.aim(row); }) n.aim(row);
}

/// The measure stage: one pass that updates the reference of the terms.
BASIN_WHERE_ITS_ARGUMENTS_DO
template <class N, class Pass>
BASIN_HD void measure_scores(N const& n, Pass&& pass) {
  if constexpr (raises_rows<N>) pass([&](auto& part, auto score) { n.raise(part, score); });
}

/// The search stage of any number of rows. begin() calls begin_search() for each of them; next(), called after a pass,
/// calls n.next() for each and returns whether another pass is needed.
BASIN_WHERE_ITS_ARGUMENTS_DO
template <class N, class Begin, class Pass, class Next>
  requires sweeps_rows<N>
BASIN_HD void search_thresholds(N const& n, Begin&& begin, Pass&& pass, Next&& next) {
  begin();
  do pass([&](auto& part, auto score) { n.absorb(part, score); });
  while (next());
}

/// The search stage of one row, or of one row in each SIMD lane: repeats passes until all of them have converged.
BASIN_WHERE_ITS_ARGUMENTS_DO
template <class N, class Row, class Pass>
BASIN_HD void search_threshold(N const& n, Row& row, Pass&& pass) {
  if constexpr (sweeps_rows<N>)
    search_thresholds(n, [&] { begin_search(n, row); }, pass, [&] { return math::any(n.next(row)); });
}

/// The sum stage: one pass that adds the terms to the divisor.
BASIN_WHERE_ITS_ARGUMENTS_DO
template <class N, class Pass>
BASIN_HD void sum_terms(N const& n, Pass&& pass) {
  if constexpr (has_terms<N>) pass([&](auto& part, auto score) { n.add(part, score, n.term(part, score)); });
}

namespace detail {

/// A pass over the scores of one row. `for_each(f)` calls f(score) for every score.
template <class Row, class ForEach>
struct pass_of_row {
  Row& row;
  ForEach& for_each;

  BASIN_WHERE_ITS_ARGUMENTS_DO
  template <class Step>
  BASIN_HD void operator()(Step const& step) const {
    for_each([&](auto score) { step(row, score); });
  }
};

}  // namespace detail

/// Runs all stages of a row that is not fitted whole. `for_each(f)` calls f(score) for every score of the row.
BASIN_WHERE_ITS_ARGUMENTS_DO
template <class N, class Row, class ForEach>
BASIN_HD void run_stages(N const& n, Row& row, ForEach&& for_each) {
  detail::pass_of_row<Row, ForEach> const pass{row, for_each};
  measure_scores(n, pass);
  search_threshold(n, row, pass);
  sum_terms(n, pass);
}

/// Computes a finished row from its visible scores, for a normalizer of any tier.
template <class N, class T>
row_of<N, T> fit_row(N const& n, std::span<T const> scores, row_context<T> context) {
  if constexpr (fits_rows<N>) {
    return n.fit(scores, context);
  } else {
    auto row = start_row(n, context);
    run_stages(n, row, [&](auto f) { for (T const s : scores) f(s); });
    return row;
  }
}

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

/// L of a finished row (knows_log_sum).
template <class T, class N>
BASIN_HD T log_sum_of(N const& n, row_of<N, T> const& row) {
  static_assert(knows_log_sum<N>, "basin: the observer log_sum_exp needs a normalizer with log_sum_exp(row), such as "
                                  "softmax and normalizers that scale its scores; weights of other normalizers are no "
                                  "exponentials over one divisor (concepts/row_hooks.hpp)");
  return n.log_sum_exp(row);
}

}  // namespace basin
