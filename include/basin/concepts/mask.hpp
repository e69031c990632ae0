// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/policy.hpp"
#include "basin/core/coord.hpp"

namespace basin {

/// Decides from coordinates alone which keys are visible to a query.
///
/// Requires  allows(coord): whether one key is visible to one query; covers(tile): how much of a tile is visible
/// Laws      covers(tile) is `all` only if allows() is true for every element of the tile, and `none` only if it is
///           false for every element; `some` is always correct
template <class M>
concept mask = policy<M> && requires(M const m, coord c, tile t) {
  { m.allows(c) } -> std::same_as<bool>;
  { m.covers(t) } -> std::same_as<coverage>;
};

}  // namespace basin
