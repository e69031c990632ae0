// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/observer.hpp"
#include "basin/core/error.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// The largest weight of every row.
///
/// Models    row_observer
/// Shapes    weights [batch, heads, queries]; overwritten by every call
/// Edges     an empty row gives 0
/// Cost      nothing per weight if the normalizer has term_sum (softmax); else an addition and a selection
/// Errors    shape_error from validate()
struct max_weight {
  view<double, 3> weights{};

  template <class T>
  struct row {};

  template <class T>
  BASIN_HD void absorb(row<T>&, seen_term<T>) const {}
  template <class T>
  BASIN_HD void rescale(row<T>&, T) const {}
  template <class T>
  BASIN_HD void merge(row<T>&, row<T> const&) const {}
  template <class T>
  BASIN_HD T report(row<T> const&, T factor, term_totals<T> all) const {
    return factor * math::select(all.sum == all.sum, all.largest, all.sum);  // only the sum propagates a NaN
  }
  BASIN_HD void sees_row(row_at at, double value) const { weights(at.batch, at.head, at.query) = value; }

  template <class F>
  void views(F&& f) const { f("basin::max_weight", "weights", weights); }
  void validate(problem const& p) const { detail::require_row_room("basin::max_weight", "weights", weights, p); }
};

static_assert(row_observer<max_weight>);

}  // namespace basin
