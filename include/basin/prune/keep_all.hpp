// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/pruner.hpp"

namespace basin {

/// Keeps every key that the mask allows.
struct keep_all {
  using alike_for_heads = std::true_type;

  template <class T>
  BASIN_HD constexpr bool keeps(coord, T) const { return true; }
  BASIN_HD constexpr coverage covers(tile) const { return coverage::all; }
};

static_assert(pruner<keep_all>);

}  // namespace basin
