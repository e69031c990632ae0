// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda/std/tuple>

#include "basin/concepts/mask.hpp"

namespace basin {

/// The keys that several masks all allow: attention<>{}.with(all_of(causal{}, key_padding{lengths})).
///
/// Models    mask
/// Edges     covers() is `some` for a tile that each mask covers in part, even if no element is visible
/// Cost      that of its parts; a mask is evaluated for an element only if the masks before it allow the element
/// Errors    those of its parts
template <mask... Masks>
struct all_of_masks {
  using alike_for_heads = std::bool_constant<(heads_are_alike<Masks> && ...)>;

  cuda::std::tuple<Masks...> masks{};

  BASIN_HD constexpr bool allows(coord c) const {
    return cuda::std::apply([&](auto const&... m) { return (m.allows(c) && ...); }, masks);
  }
  BASIN_HD constexpr coverage covers(tile t) const {
    coverage left = coverage::all;
    cuda::std::apply(
        [&](auto const&... m) { ((left = left == coverage::none ? left : both(left, m.covers(t))), ...); }, masks);
    return left;
  }
  template <class F>
  void policies(F&& f) const {
    cuda::std::apply([&](auto const&... m) { (f(m), ...); }, masks);
  }
};

template <mask... Masks>
  requires(sizeof...(Masks) > 0)
constexpr all_of_masks<Masks...> all_of(Masks... masks) {
  return {cuda::std::tuple<Masks...>(masks...)};
}

}  // namespace basin
