// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <span>

#include "basin/concepts/policy.hpp"
#include "basin/core/coord.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// One weight as row observers see it: a term and its natural logarithm (-inf for a term of 0). The weight is the term times
/// a factor of its row that is known when the row is complete; engines need not visit a weight twice for it.
template <class T>
struct seen_term {
  T term, log_term;
};

/// All terms of a row, or of a row so far, as far as observers share them: many normalizers know both, so that nobody need add
/// them up again. The sum keeps a NaN; the largest does not.
template <class T>
struct term_totals {
  T sum = T(0), largest = T(0);
};

// A row observer reports from what it gathered, or also from the logarithm that the row was normalised by, or from the totals.
template <class O>
concept reports_terms = requires(O const o, typename O::template row<double> const& row, double x) {
  { o.report(row, x) } -> std::same_as<double>;
};
template <class O>
concept reports_log_sum = requires(O const o, typename O::template row<double> const& row, double x) {
  { o.report(row, x, x) } -> std::same_as<double>;
};

template <class O>
concept reports_totals = requires(O const o, typename O::template row<double> const& row, double x, term_totals<double> all) {
  { o.report(row, x, all) } -> std::same_as<double>;
};

/// Watches every row and reports one number per row.
///
/// Requires  row<T>: what is gathered; absorb(row, seen_term); report(row, factor): from the terms so far, each times factor,
///           or report(row, factor, log_sum), where log_sum is the normalizer's log_sum_exp(row), without which this is an
///           error at compile time, or report(row, factor, term_totals); sees_row(row_at, double): called once a row; optional:
///           rescale(row, by) or rescale(row, by, term_totals of the terms so far): all terms so far times `by`, for engines that
///           walk a row once; optional: merge(into, from): joins what two parts of a row gathered, for engines that share a row
///           among threads
/// Laws      changes no bit of the output; the order of keys does not matter; report after rescale(by) = report with by * factor
template <class O>
concept row_observer = policy<O> && (reports_terms<O> || reports_log_sum<O> || reports_totals<O>) &&
                       requires(O const o, typename O::template row<double>& row, seen_term<double> s, row_at at, double x) {
                         o.absorb(row, s);
                         o.sees_row(at, x);
                       };

// A key observer is told the sum of what it was given for a key, alone or with the number of queries that can see the key.
template <class O>
concept told_totals = requires(O const o, key_at at, double x) { o.sees_key(at, x); };
template <class O>
concept told_queries = requires(O const o, key_at at, double x) { o.sees_key(at, x, x); };

/// Watches every key and reports one number per key and query head.
///
/// Requires  gives(weight): what one query adds to its key; called once a key, sees_key(key_at, total), or
///           sees_key(key_at, total, queries): how many queries of the call can see the key, that is for how many of them
///           mask and pruner left it, whatever its score; counted only where an observer asks for it
/// Laws      changes no bit of the output; the same call gives the same bits, whatever the number of threads
template <class O>
concept key_observer = policy<O> && (told_totals<O> || told_queries<O>) && requires(O const o, double x) {
  { o.gives(x) } -> std::same_as<double>;
};

/// One finished row, dense over keys 0 .. Nk - 1: weight 0 and score -inf where a key is not visible. `visible` counts the keys
/// that mask and pruner left, as in row_context; a key they left whose score is -inf is among them.
struct whole_row {
  std::span<double const> weights, scores;
  double visible = 0;
};

/// Watches rows with all their weights and scores before it: what no sum over terms can say. Host engines only.
///
/// Requires  sees_whole_row(row_at, whole_row): called once for every row of the call, for different rows at the same time,
///           so that it writes only what belongs to its row; what the row points to lives for the call of the hook alone
/// Laws      changes no bit of the output; the same call gives the same bits, whatever the number of threads
template <class O>
concept whole_row_observer = policy<O> && requires(O const o, row_at at, whole_row const row) { o.sees_whole_row(at, row); };

/// Sees nothing and costs nothing. It stands here because the composition needs it as a default.
template <class O>
concept blind_observer = policy<O> && requires { typename O::sees_nothing; };

/// Several observers in one: `parts()` gives a tuple of observers.
template <class O>
concept composite_observer = policy<O> && requires(O const o) { o.parts(); };

template <class O>
concept observer = row_observer<O> || key_observer<O> || whole_row_observer<O> || blind_observer<O> || composite_observer<O>;

namespace detail {

template <class View>
void require_row_room(char const* caller, char const* name, View const& v, problem const& p) {
  if (v.data_handle() == nullptr || v.extent(0) != p.batch || v.extent(1) != p.heads || v.extent(2) != p.queries)
    throw shape_error(message(caller, ": ", name, " is [", v.extent(0), ", ", v.extent(1), ", ", v.extent(2),
                              "] but the call has [batch, heads, queries] = [", p.batch, ", ", p.heads, ", ", p.queries, "]"));
  require_own_elements(caller, name, v);
}

template <class View>
void require_key_room(char const* caller, char const* name, View const& v, problem const& p) {
  if (v.data_handle() == nullptr || v.extent(0) != p.batch || v.extent(1) != p.heads || v.extent(2) != p.keys)
    throw shape_error(message(caller, ": ", name, " is [", v.extent(0), ", ", v.extent(1), ", ", v.extent(2),
                              "] but the call has [batch, heads, keys] = [", p.batch, ", ", p.heads, ", ", p.keys, "]"));
  require_own_elements(caller, name, v);
}

}  // namespace detail

}  // namespace basin
