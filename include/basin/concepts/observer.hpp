// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/policy.hpp"
#include "basin/core/coord.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// One weight as observers see it: w_ij and its natural logarithm (-inf for a weight of 0).
template <class T>
struct seen_weight {
  T weight, log_weight;
};

/// Watches every row and reports one number per row.
///
/// Requires  row<T>: what is gathered; absorb(row, seen_weight); report(row); sees_row(row_at, double): called once a row
/// Laws      changes no bit of the output; the order of keys does not matter
template <class O>
concept row_observer = policy<O> && requires(O const o, typename O::template row<double>& row, seen_weight<double> w, row_at at, double x) {
  o.absorb(row, w);
  { o.report(row) } -> std::same_as<double>;
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
}

}  // namespace detail

}  // namespace basin
