// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/observer.hpp"
#include "basin/core/error.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// The entropy of every row of weights, in nats: H_i = - sum_j w_ij log w_ij, with 0 log 0 = 0.
///
/// Models    row_observer
/// Shapes    nats [batch, heads, queries]; overwritten by every call
/// Edges     an empty row gives 0; for weights that do not sum to 1 it is the same formula, not a Shannon entropy;
///           a row with a negative weight gives NaN
/// Cost      2 flop and a selection per weight if the normalizer has log_term and term_sum (softmax); without log_term
///           a logarithm more; without term_sum an addition and a selection more
/// Errors    shape_error from validate()
struct entropy {
  view<double, 3> nats{};

  template <class T>
  struct row {
    T log_sum = T(0);                                            // sum of t log t over terms t
  };

  template <class T>
  BASIN_HD void absorb(row<T>& r, seen_term<T> seen) const {
    r.log_sum = math::fma(seen.term, math::larger(math::lowest<T>(), seen.log_term), r.log_sum);  // 0 log 0 = 0
  }
  template <class T>
  BASIN_HD void rescale(row<T>& r, T by, term_totals<T> all) const {
    r.log_sum = by * r.log_sum + times_log(by) * all.sum;
  }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const { into.log_sum = into.log_sum + from.log_sum; }
  /// With w = f t: - sum w log w = - f sum t log t - f log f sum t.
  template <class T>
  BASIN_HD T report(row<T> const& r, T factor, term_totals<T> all) const {
    return T(0) - (factor * r.log_sum + times_log(factor) * all.sum);
  }
  BASIN_HD void sees_row(row_at at, double value) const { nats(at.batch, at.head, at.query) = value; }

  /// x log x, 0 at 0.
  template <class T>
  BASIN_HD static T times_log(T x) { return math::select(x > T(0), x * math::log(x), T(0)); }

  template <class F>
  void views(F&& f) const { f("basin::entropy", "nats", nats); }
  void validate(problem const& p) const { detail::require_row_room("basin::entropy", "nats", nats, p); }
};

static_assert(row_observer<entropy>);

}  // namespace basin
