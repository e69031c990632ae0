// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda/std/variant>

#include "basin/core/problem.hpp"
#include "basin/lm/policies/held_policy.hpp"
#include "basin/mask/block_causal.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/prefix.hpp"
#include "basin/mask/sliding_window.hpp"
#include "basin/mask/unmasked.hpp"

namespace basin::lm {

/// A mask that is chosen at run time, so that engines are compiled once for all of them.
///
/// Models    mask
/// Source    each mask's own file
/// Cost      that of the chosen mask, and a branch for every pair of a tile that is visible in part
/// Errors    those of the chosen mask
struct any_mask {
  using alike_for_heads = std::true_type;

  cuda::std::variant<unmasked, causal, sliding_window, block_causal, prefix> which{};

  /// f(mask).
  BASIN_WHERE_ITS_ARGUMENTS_DO
  template <class F>
  BASIN_HD auto visit(F const& f) const {
    return visit_held(which, f);
  }

  BASIN_HD bool allows(coord c) const {
    return visit([&](auto const& m) { return m.allows(c); });
  }
  BASIN_HD coverage covers(tile t) const {
    return visit([&](auto const& m) { return m.covers(t); });
  }

  void validate() const {
    visit([](auto const& m) { basin::validate(m); });
  }
  void validate(basin::problem const& call) const {
    visit([&](auto const& m) { basin::validate(m, call); });
  }
};

static_assert(mask<any_mask>);

}  // namespace basin::lm
