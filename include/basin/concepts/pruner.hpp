// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/policy.hpp"
#include "basin/core/coord.hpp"

namespace basin {

/// Decides from data which of the keys that the mask allows are visible to a query: from recorded sets, or from the
/// score.
///
/// Requires  keeps(coord, score); optional: covers(tile), so that engines can skip whole tiles
/// Laws      as for a mask
template <class P>
concept pruner = policy<P> && requires(P const p, coord c, double score) {
  { p.keeps(c, score) } -> std::same_as<bool>;
};

/// How much of a tile a pruner keeps; `some` if it has no covers().
template <pruner P>
BASIN_HD coverage kept(P const& p, tile t) {
  if constexpr (requires { { p.covers(t) } -> std::same_as<coverage>; }) return p.covers(t);
  else return coverage::some;
}

}  // namespace basin
