// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/mask.hpp"

namespace basin {

/// Every key is visible to every query.
struct unmasked {
  using alike_for_heads = std::true_type;

  BASIN_HD constexpr bool allows(coord) const { return true; }
  BASIN_HD constexpr coverage covers(tile) const { return coverage::all; }
};

static_assert(mask<unmasked>);

}  // namespace basin
