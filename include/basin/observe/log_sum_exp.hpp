// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/observer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// The logarithm of every row's divisor: L_i with w_ij = exp(c s_ij - L_i), where c is the normalizer's factor on
/// scores. For softmax at temperature T it is log sum_j exp(s_ij / T).
///
/// Models    row_observer that uses log_sum_exp(row)
/// Source    the auxiliary output of Dao et al. 2022, arXiv 2205.14135
/// Shapes    values [batch, heads, queries], in nats; overwritten by every call
/// Precision that of the engine's own running maximum and sum; there is no second pass
/// Edges     an empty row gives -inf, or the logarithm of the rest of the divisor (log n, the logit of a sink); defined
///           if the weights are exponentials over one divisor: softmax, softmax_n, sink_logit, adaptive_temperature,
///           top_k and top_p (over the keys that they select), and length_scaled over them (for the scaled scores)
/// Cost      1 logarithm a row
/// Errors    shape_error from validate(); static_assert: a normalizer without log_sum_exp(row), such as sparsemax
struct log_sum_exp {
  view<double, 3> values{};

  template <class T>
  struct row {};

  template <class T>
  BASIN_HD void absorb(row<T>&, seen_term<T>) const {}
  template <class T>
  BASIN_HD void rescale(row<T>&, T) const {}
  template <class T>
  BASIN_HD void merge(row<T>&, row<T> const&) const {}
  template <class T>
  BASIN_HD T report(row<T> const&, T, T log_sum) const { return log_sum; }
  BASIN_HD void sees_row(row_at at, double value) const { values(at.batch, at.head, at.query) = value; }

  template <class F>
  void views(F&& f) const { f("basin::log_sum_exp", "values", values); }
  void validate(problem const& p) const { detail::require_row_room("basin::log_sum_exp", "values", values, p); }
};

static_assert(row_observer<log_sum_exp> && reports_log_sum<log_sum_exp>);

}  // namespace basin
