// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda/std/variant>

#include "basin/core/problem.hpp"
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

  /// f(mask), without the table of function pointers of std::visit.
  template <class F>
  auto visit(F const& f) const {
    switch (which.index()) {
      case 1: return f(*cuda::std::get_if<1>(&which));
      case 2: return f(*cuda::std::get_if<2>(&which));
      case 3: return f(*cuda::std::get_if<3>(&which));
      case 4: return f(*cuda::std::get_if<4>(&which));
      default: return f(unmasked{});
    }
  }

  bool allows(coord c) const {
    return visit([&](auto const& m) { return m.allows(c); });
  }
  coverage covers(tile t) const {
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
