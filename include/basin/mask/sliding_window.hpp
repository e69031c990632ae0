// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <limits>

#include "basin/concepts/mask.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Visible to a query are its own key, `left` keys before it and `right` keys after it: i - left <= j <= i + right.
///
/// Models    mask
/// Source    Child et al. 2019, arXiv 1904.10509 (local attention); Beltagy et al. 2020, arXiv 2004.05150, with both
///           sides
/// Edges     right = 0 is causal; `unlimited` removes the bound on a side
/// Errors    value_error from validate(): a negative extent
struct sliding_window {
  using alike_for_heads = std::true_type;

  static constexpr index_t unlimited = std::numeric_limits<index_t>::max();
  index_t left = 127, right = 0;

  BASIN_HD constexpr bool allows(coord c) const { return c.key - c.query >= -left && c.key - c.query <= right; }
  BASIN_HD constexpr coverage covers(tile t) const {
    index_t const least = t.first_key - (t.last_query - 1);      // the range of key - query in the tile
    index_t const most = t.last_key - 1 - t.first_query;
    if (most < -left || least > right) return coverage::none;
    return least >= -left && most <= right ? coverage::all : coverage::some;
  }

  void validate() const {
    if (left < 0)
      throw value_error(message("basin::sliding_window: left is ", left,
                                "; it must be at least 0 (unlimited removes the bound)"));
    if (right < 0)
      throw value_error(message("basin::sliding_window: right is ", right,
                                "; it must be at least 0 (unlimited removes the bound)"));
  }
};

static_assert(mask<sliding_window>);

}  // namespace basin
