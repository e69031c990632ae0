// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "device/host_engine.hpp"
#include "parity/policies.hpp"

namespace basin_test {

/// Rows of several tiles of keys and of less than one, heads in a group, more queries than keys. D = 16, so that the
/// scale is exact.
inline shape const device_shapes[] = {
    {1, 4, 2, 19, 50, 16, 8, layout::length_first, layout::padded},
    {2, 3, 1, 3, 33, 16, 3, layout::padded, layout::length_first},
    {1, 2, 2, 21, 9, 16, 5, layout::reversed, layout::dim_first},
};

inline constexpr auto small_forward = [](auto const& use, auto& c) {
  host_forward<small_blocks, 32>(use, c.q.v, c.k.v, c.v.v, c.out.v);
};
inline constexpr auto small_backward = [](auto const& use, auto& c) {
  host_backward<small_blocks, 32>(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
};

/// Compares the kernels with the reference, forward and gradients, for every streamable normalizer of a family with
/// every mask, pruner and observer.
template <class Cases>
void compare_on_kernels(Cases const& cases, double steep) {
  for_each_case(cases, [&](auto const& c) {
    if constexpr (!basin::fits_rows<decltype(c.normalize)>) {
      INFO(c.name);
      for (shape const& s : device_shapes) {
        auto const dropped = dropped_bytes(s);
        for_each_mask_and_pruner(dropped, s, [&](chosen_mask mask, chosen_pruner pruner) {
          auto const use = basin::attention<>{}.with(c.normalize).with(mask).with(pruner);
          compare_observed<float>(use, s, numbers::grid, steep, small_forward);
          compare_backward<float>(use, s, numbers::grid, steep, small_backward);
        });
      }
    }
  });
}

}  // namespace basin_test
