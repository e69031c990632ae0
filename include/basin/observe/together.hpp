// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda/std/tuple>

#include "basin/concepts/observer.hpp"

namespace basin {

/// Several observers in one call: attention<>{}.with(together(entropy{h}, received_attention{c})).
///
/// Models    composite_observer
/// Cost      that of its parts
template <observer... Parts>
struct together_of {
  cuda::std::tuple<Parts...> observers{};

  BASIN_HD constexpr cuda::std::tuple<Parts...> const& parts() const { return observers; }

  template <class F>
  void policies(F&& f) const {
    cuda::std::apply([&](auto const&... part) { (f(part), ...); }, observers);
  }
};

template <observer... Parts>
constexpr together_of<Parts...> together(Parts... parts) {
  return {cuda::std::tuple<Parts...>(parts...)};
}

}  // namespace basin
