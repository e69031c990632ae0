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
/// Edges     an empty row gives 0; for weights that do not sum to 1 it is the same formula, not a Shannon entropy
/// Cost      2 flop and a selection per weight, where the normalizer knows log w (softmax); else a logarithm more
/// Errors    shape_error from validate()
struct entropy {
  view<double, 3> nats{};

  template <class T>
  struct row {
    T sum = T(0);
  };

  template <class T>
  BASIN_HD void absorb(row<T>& r, seen_weight<T> seen) const {
    r.sum = r.sum - math::select(seen.weight > T(0), seen.weight * seen.log_weight, T(0));
  }
  template <class T>
  BASIN_HD T report(row<T> const& r) const { return r.sum; }
  BASIN_HD void sees_row(row_at at, double value) const { nats(at.batch, at.head, at.query) = value; }

  void validate(problem const& p) const { detail::require_row_room("basin::entropy", "nats", nats, p); }
};

static_assert(row_observer<entropy>);

}  // namespace basin
