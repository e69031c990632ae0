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
/// Cost      1 flop per weight
/// Errors    shape_error from validate()
struct max_weight {
  view<double, 3> weights{};

  template <class T>
  struct row {
    T max = T(0), sum = T(0);                                    // of terms; the sum is there to keep a NaN
  };

  template <class T>
  BASIN_HD void absorb(row<T>& r, seen_term<T> seen) const {
    r.max = math::larger(seen.term, r.max);
    r.sum = r.sum + seen.term;
  }
  template <class T>
  BASIN_HD void rescale(row<T>& r, T by) const { r = {by * r.max, by * r.sum}; }
  template <class T>
  BASIN_HD T report(row<T> const& r, T factor) const { return factor * math::select(r.sum == r.sum, r.max, r.sum); }
  BASIN_HD void sees_row(row_at at, double value) const { weights(at.batch, at.head, at.query) = value; }

  void validate(problem const& p) const { detail::require_row_room("basin::max_weight", "weights", weights, p); }
};

static_assert(row_observer<max_weight>);

}  // namespace basin
