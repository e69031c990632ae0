// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Learned numbers of a normalizer, one for all heads or one per head, and the memory into which a backward pass writes
// what each row of the call adds to their gradients.

#include <cuda/std/array>

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// The number of learned numbers of a policy.
template <class P>
inline constexpr int parameters_of = [] {
  if constexpr (requires { P::parameters; }) return P::parameters;
  else return 0;
}();

/// One value for every learned number of a policy.
template <class P, class T>
using for_parameters = cuda::std::array<T, parameters_of<P>>;

/// A normalizer whose learned numbers have gradients.
///
/// Requires  parameters: their number; parameter_gradient(row, score, weight, dweight, dscore): what key j adds to the
///           gradient of each, given dw_j and the finished ds_j, in units of the scores that the normalizer receives;
///           sees_parameter_gradient(row_at, which, double): receives what a row adds; every backward calls it once per
///           row and number
/// Laws      the sum over all rows is the derivative of the loss
template <class N>
concept has_parameters = parameters_of<N> > 0 && requires(N const n, row_of<N> const row, double x, row_at at) {
  { n.parameter_gradient(row, x, x, x, x) } -> std::same_as<for_parameters<N, double>>;
  n.sees_parameter_gradient(at, 0, x);
};

/// A number of a policy: `value` for all heads, or values(head) if `values` has memory; a stride of 0 shares one.
struct per_head {
  double value = 0;
  view<float const, 1> values{};

  BASIN_HD double operator()(int head) const { return is_one() ? value : static_cast<double>(values(head)); }
  /// Whether all heads use `value`. Only then can validate() check the number: `values` may be in device memory.
  BASIN_HD bool is_one() const { return values.data_handle() == nullptr; }

  /// The numbers that are allowed, and how that is said.
  struct range {
    double least, most;
    char const* said;

    constexpr bool holds(double x) const { return x >= least && x <= most; }
  };
  /// Errors    value_error: `value` is what all heads use, and is outside the range
  void require_one(char const* caller, char const* name, range allowed) const {
    if (is_one() && !allowed.holds(value))
      throw value_error(message(caller, ": ", name, " is ", value, "; ", allowed.said));
  }
  /// Errors    value_error: the number of some head is outside the range; on the host alone, where values can be read
  void require_each(char const* caller, char const* name, range allowed, problem const& call) const {
    for (int head = 0; head < call.heads; ++head)
      if (!allowed.holds((*this)(head)))
        throw value_error(message(caller, ": ", name, " of head ", head, " is ", (*this)(head), "; ", allowed.said));
  }

  /// Errors    shape_error: fewer values than the call has heads
  void validate(char const* caller, char const* name, problem const& call) const {
    if (!is_one() && values.extent(0) < call.heads)
      throw shape_error(message(caller, ": ", name, " has ", values.extent(0), " values but the call has ", call.heads,
                                " heads; give one a head, or a view of stride 0"));
  }
};

/// What every row of a backward pass adds to the gradients of a policy's numbers:
/// rows [parameters, batch, heads, queries]. If `rows` has no memory, the gradients are discarded.
struct parameter_gradients {
  view<double, 4> rows{};

  BASIN_HD void put(row_at at, int which, double gradient) const {
    if (rows.data_handle() != nullptr) rows(which, at.batch, at.head, at.query) = gradient;
  }

  /// Errors    shape_error: extents for another number of parameters, or for another call
  void validate(char const* caller, int parameters, problem const& call) const {
    if (rows.data_handle() == nullptr) return;
    index_t const needs[] = {parameters, call.batch, call.heads, call.queries};
    for (int r = 0; r < 4; ++r)
      if (rows.extent(r) != needs[r])
        throw shape_error(message(caller, ": gradients is [", rows.extent(0), ", ", rows.extent(1), ", ",
                                  rows.extent(2), ", ", rows.extent(3),
                                  "] but the call has [parameters, batch, heads, queries] = [", needs[0], ", ",
                                  needs[1], ", ", needs[2], ", ", needs[3], "]"));
    detail::require_own_elements(caller, "gradients", rows);
  }

  /// The gradient of number `which` of one head: the sum over its rows, in order.
  double sum(int which, int head) const {
    double total = 0;
    for (index_t b = 0; b < rows.extent(1); ++b)
      for (index_t i = 0; i < rows.extent(3); ++i) total += rows(which, b, head, i);
    return total;
  }
};

}  // namespace basin
