// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/observer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// The received attention of each key: c_j = sum_i w_ij, the column sums of the weight matrix, which is never stored.
///
/// Models    key_observer
/// Source    Rulli et al. 2025, arXiv 2510.15731, eq. 3 (times the number of queries)
/// Shapes    sums [batch, heads, keys], heads of the queries; overwritten by every call
/// Precision float sums within a query tile, double across tiles; the sum over keys equals the total weight of all rows
/// Edges     a key that is visible to no query gives 0
/// Cost      1 flop per weight
/// Errors    shape_error from validate()
struct received_attention {
  view<double, 3> sums{};

  template <class T>
  BASIN_HD T gives(T weight) const { return weight; }
  BASIN_HD void sees_key(key_at at, double total) const { sums(at.batch, at.head, at.key) = total; }

  template <class F>
  void views(F&& f) const { f("basin::received_attention", "sums", sums); }
  void validate(problem const& p) const { detail::require_key_room("basin::received_attention", "sums", sums, p); }
};

static_assert(key_observer<received_attention>);

}  // namespace basin
