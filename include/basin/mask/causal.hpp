// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/mask.hpp"

namespace basin {

/// Visible to a query are the keys up to its own position. If Nq != Nk, the last query has the position of the last key
/// (coord).
struct causal {
  using alike_for_heads = std::true_type;

  BASIN_HD constexpr bool allows(coord c) const { return c.key <= c.query; }
  BASIN_HD constexpr coverage covers(tile t) const {
    if (t.first_key > t.last_query - 1) return coverage::none;
    return t.last_key - 1 <= t.first_query ? coverage::all : coverage::some;
  }
};

static_assert(mask<causal>);

}  // namespace basin
