// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/observer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// The mean weight of each key over the queries to which it is visible:
/// a_j = (sum_i w_ij) / n_j, n_j = #{i : visible_ij}.
/// Under a causal mask the column sums favour early keys, which are visible to more queries; this mean does not.
///
/// Models    key_observer that uses the number of queries
/// Source    Gu et al. 2025, arXiv 2410.10781: the importance alpha_k of a key; for rows that sum to 1 and no mask it
///           is eq. 3 of Rulli et al. 2025, arXiv 2510.15731
/// Shapes    means [batch, heads, keys], heads of the queries; overwritten by every call
/// Precision that of received_attention; the number of queries is exact
/// Edges     a key that is visible to no query gives 0; a key with a score of -inf counts as visible if mask and pruner
///           keep it
/// Cost      1 flop per weight, and a count per element of a partly visible tile
/// Errors    shape_error from validate()
struct mean_received_attention {
  view<double, 3> means{};

  template <class T>
  BASIN_HD T gives(T weight) const { return weight; }
  BASIN_HD void sees_key(key_at at, double total, double queries) const {
    means(at.batch, at.head, at.key) = queries > 0 ? total / queries : 0.0;
  }

  template <class F>
  void views(F&& f) const { f("basin::mean_received_attention", "means", means); }
  void validate(problem const& p) const {
    detail::require_key_room("basin::mean_received_attention", "means", means, p);
  }
};

static_assert(key_observer<mean_received_attention> && told_queries<mean_received_attention>);

}  // namespace basin
