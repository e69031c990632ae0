// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

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

/// Watches every row and reports one number per row.
///
/// Requires  row<T>: what is gathered; absorb(row, seen_term); report(row, factor): from the terms so far, each times factor;
///           sees_row(row_at, double): called once a row; optional: rescale(row, by): all terms so far times `by`, for
///           engines that walk a row once
/// Laws      changes no bit of the output; the order of keys does not matter; report after rescale(by) = report with by * factor
template <class O>
concept row_observer = policy<O> && requires(O const o, typename O::template row<double>& row, seen_term<double> s, row_at at, double x) {
  o.absorb(row, s);
  { o.report(row, x) } -> std::same_as<double>;
  o.sees_row(at, x);
};

/// Watches every key and reports one number per key and query head.
///
/// Requires  gives(weight): what one query adds to its key; sees_key(key_at, double): called once a key with the sum
/// Laws      changes no bit of the output; the same call gives the same bits, whatever the number of threads
template <class O>
concept key_observer = policy<O> && requires(O const o, key_at at, double x) {
  { o.gives(x) } -> std::same_as<double>;
  o.sees_key(at, x);
};

/// Sees nothing and costs nothing. It stands here because the composition needs it as a default.
template <class O>
concept blind_observer = policy<O> && requires { typename O::sees_nothing; };

/// Several observers in one: `parts()` gives a tuple of observers.
template <class O>
concept composite_observer = policy<O> && requires(O const o) { o.parts(); };

template <class O>
concept observer = row_observer<O> || key_observer<O> || blind_observer<O> || composite_observer<O>;

namespace detail {

template <class View>
void require_row_room(char const* who, char const* name, View const& v, problem const& p) {
  if (v.data_handle() == nullptr || v.extent(0) != p.batch || v.extent(1) != p.heads || v.extent(2) != p.queries)
    throw shape_error(message(who, ": ", name, " is [", v.extent(0), ", ", v.extent(1), ", ", v.extent(2),
                              "] but the call has [batch, heads, queries] = [", p.batch, ", ", p.heads, ", ", p.queries, "]"));
  require_own_elements(who, name, v);
}

}  // namespace detail

}  // namespace basin
