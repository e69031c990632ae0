// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda/std/tuple>

#include "basin/concepts/pruner.hpp"

namespace basin {

/// The keys that several pruners all keep: attention<>{}.with(all_of(window_with_sinks{}, score_floor{-8})).
///
/// Models    pruner
/// Edges     covers() is `some` for a tile that each pruner keeps in part, even if no element is kept
/// Cost      that of its parts; a pruner is evaluated for an element only if the pruners before it keep the element
/// Errors    those of its parts
template <pruner... Pruners>
struct all_of_pruners {
  using alike_for_heads = std::bool_constant<(heads_are_alike<Pruners> && ...)>;

  cuda::std::tuple<Pruners...> pruners{};

  template <class T>
  BASIN_HD constexpr bool keeps(coord c, T score) const {
    return cuda::std::apply([&](auto const&... p) { return (p.keeps(c, score) && ...); }, pruners);
  }
  BASIN_HD constexpr coverage covers(tile t) const {
    coverage left = coverage::all;
    cuda::std::apply(
        [&](auto const&... p) { ((left = left == coverage::none ? left : both(left, kept(p, t))), ...); }, pruners);
    return left;
  }
  template <class F>
  void policies(F&& f) const {
    cuda::std::apply([&](auto const&... p) { (f(p), ...); }, pruners);
  }
};

template <pruner... Pruners>
  requires(sizeof...(Pruners) > 0)
constexpr all_of_pruners<Pruners...> all_of(Pruners... pruners) {
  return {cuda::std::tuple<Pruners...>(pruners...)};
}

}  // namespace basin
