// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Masks and pruners chosen at run time, on the host and in a kernel.

#include "basin/mask/causal.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/prune/drop_keys.hpp"
#include "basin/prune/keep_all.hpp"
#include "support/archetypes.hpp"

namespace basin_test {

/// A mask chosen at run time, so that tests over masks compile each engine once.
struct chosen_mask {
  enum class kind { unmasked, causal, holes, blindfold } which = kind::unmasked;
  template <class F>
  BASIN_HD auto as(F&& f) const {
    switch (which) {
      case kind::causal: return f(basin::causal{});
      case kind::holes: return f(holes{});
      case kind::blindfold: return f(blindfold{});
      default: return f(basin::unmasked{});
    }
  }
  BASIN_HD bool allows(basin::coord c) const { return as([&](auto m) { return m.allows(c); }); }
  BASIN_HD basin::coverage covers(basin::tile t) const { return as([&](auto m) { return m.covers(t); }); }
};
static_assert(basin::mask<chosen_mask>);

/// A pruner chosen at run time: keep_all, drop_keys or from_score.
struct chosen_pruner {
  enum class kind { keep_all, drop_keys, from_score } which = kind::keep_all;
  basin::drop_keys drop{};
  from_score from{};
  template <class T>
  BASIN_HD bool keeps(basin::coord c, T score) const {
    return which == kind::keep_all    ? basin::keep_all{}.keeps(c, score)
           : which == kind::drop_keys ? drop.keeps(c, score)
                                      : from.keeps(c, score);
  }
  BASIN_HD basin::coverage covers(basin::tile t) const {
    return which == kind::keep_all    ? basin::keep_all{}.covers(t)
           : which == kind::drop_keys ? drop.covers(t)
                                      : basin::coverage::some;
  }
  void validate(basin::problem const& p) const {
    if (which == kind::drop_keys) drop.validate(p);
  }
  template <class F>
  void views(F&& f) const {
    if (which == kind::drop_keys) drop.views(f);
  }
};
static_assert(basin::pruner<chosen_pruner>);

}  // namespace basin_test
