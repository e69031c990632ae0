// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <span>

#include "basin/concepts/policy.hpp"
#include "basin/core/coord.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// An unnormalised weight, as passed to row observers: a term and its natural logarithm (-inf for a term of 0). The
/// weight is the term times the normalising factor, which is passed to report() at the end of the row. So engines visit
/// each weight once.
template <class T>
struct seen_term {
  T term, log_term;
};

/// The sum and the largest of all terms of a row, or of a row so far. Many normalizers have both already; otherwise the
/// engine computes them once for all observers. The sum propagates a NaN; the largest does not.
template <class T>
struct term_totals {
  T sum = T(0), largest = T(0);
};

// A row observer reports from its state, and optionally from the logarithm of the row's divisor, or from the totals.
template <class O>
concept reports_terms = requires(O const o, typename O::template row<double> const& row, double x) {
  { o.report(row, x) } -> std::same_as<double>;
};
template <class O>
concept reports_log_sum = requires(O const o, typename O::template row<double> const& row, double x) {
  { o.report(row, x, x) } -> std::same_as<double>;
};

template <class O>
concept reports_totals = requires(O const o, typename O::template row<double> const& row, double x,
                                  term_totals<double> all) {
  { o.report(row, x, all) } -> std::same_as<double>;
};

/// Observes every row and reports one number per row.
///
/// Requires  row<T>: the state
///           absorb(row, seen_term): takes one term
///           report(row, factor): the result for the weights factor * term;
///           or report(row, factor, term_totals);
///           or report(row, factor, log_sum), where log_sum is the normalizer's log_sum_exp(row) (a compile error if it
///           has none)
///           sees_row(row_at, double): receives the result; called once per row
///           optional: rescale(row, by) or rescale(row, by, term_totals of the terms so far): multiplies all terms so
///           far by `by`, for engines that compute a row in one pass
///           optional: merge(into, from): joins the states of two parts of a row, for engines that divide a row among
///           threads
/// Laws      changes no bit of the output; the order of keys does not matter; report after rescale(by) = report with
///           by * factor
template <class O>
concept row_observer = policy<O> && (reports_terms<O> || reports_log_sum<O> || reports_totals<O>) &&
                       requires(O const o, typename O::template row<double>& row, seen_term<double> s, row_at at,
                                double x) {
                         o.absorb(row, s);
                         o.sees_row(at, x);
                       };

// A key observer receives the sum of what it was given for a key, alone or with the number of queries to which the key
// is visible.
template <class O>
concept told_totals = requires(O const o, key_at at, double x) { o.sees_key(at, x); };
template <class O>
concept told_queries = requires(O const o, key_at at, double x) { o.sees_key(at, x, x); };

/// Observes every key and reports one number per key and query head.
///
/// Requires  gives(weight): the contribution of one weight to its key; sees_key(key_at, total), called once per key, or
///           sees_key(key_at, total, queries), where `queries` is the number of queries of the call for which mask and
///           pruner keep the key, whatever its score; it is counted only if an observer uses it
/// Laws      changes no bit of the output; the same call gives the same bits, whatever the number of threads
template <class O>
concept key_observer = policy<O> && (told_totals<O> || told_queries<O>) && requires(O const o, double x) {
  { o.gives(x) } -> std::same_as<double>;
};

/// One finished row, dense over keys 0 .. Nk - 1: weight 0 and score -inf where a key is hidden. `visible` counts the
/// keys that mask and pruner keep, as in row_context, including those whose score is -inf.
struct whole_row {
  std::span<double const> weights, scores;
  double visible = 0;
};

/// Observes whole rows, with all their weights and scores: for quantities that no sum over terms gives. Host engines
/// only.
///
/// Requires  sees_whole_row(row_at, whole_row): called once for every row of the call, for several rows concurrently,
///           so it must write only memory of its own row; the spans of the row are valid during the call of the hook
///           only
/// Laws      changes no bit of the output; the same call gives the same bits, whatever the number of threads
template <class O>
concept whole_row_observer = policy<O> && requires(O const o, row_at at, whole_row const row) {
  o.sees_whole_row(at, row);
};

/// An observer without hooks: the default of the slot.
template <class O>
concept blind_observer = policy<O> && requires { typename O::sees_nothing; };

/// Several observers in one: `parts()` returns a tuple of observers.
template <class O>
concept composite_observer = policy<O> && requires(O const o) { o.parts(); };

template <class O>
concept observer =
    row_observer<O> || key_observer<O> || whole_row_observer<O> || blind_observer<O> || composite_observer<O>;

namespace detail {

template <class View>
void require_row_room(char const* caller, char const* name, View const& v, problem const& p) {
  if (v.data_handle() == nullptr || v.extent(0) != p.batch || v.extent(1) != p.heads || v.extent(2) != p.queries)
    throw shape_error(message(caller, ": ", name, " is [", v.extent(0), ", ", v.extent(1), ", ", v.extent(2),
                              "] but the call has [batch, heads, queries] = [", p.batch, ", ", p.heads, ", ", p.queries,
                              "]"));
  require_own_elements(caller, name, v);
}

template <class View>
void require_key_room(char const* caller, char const* name, View const& v, problem const& p) {
  if (v.data_handle() == nullptr || v.extent(0) != p.batch || v.extent(1) != p.heads || v.extent(2) != p.keys)
    throw shape_error(message(caller, ": ", name, " is [", v.extent(0), ", ", v.extent(1), ", ", v.extent(2),
                              "] but the call has [batch, heads, keys] = [", p.batch, ", ", p.heads, ", ", p.keys,
                              "]"));
  require_own_elements(caller, name, v);
}

}  // namespace detail

}  // namespace basin
