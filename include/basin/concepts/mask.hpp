// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/policy.hpp"
#include "basin/core/coord.hpp"

namespace basin {

/// Decides from coordinates alone which keys a query may see.
///
/// Requires  allows(coord): for one pair; covers(tile): for a rectangle of pairs
/// Laws      covers(tile) = all means allows() in every cell, none means in no cell; some promises nothing
template <class M>
concept mask = policy<M> && requires(M const m, coord c, tile t) {
  { m.allows(c) } -> std::same_as<bool>;
  { m.covers(t) } -> std::same_as<coverage>;
};

}  // namespace basin
