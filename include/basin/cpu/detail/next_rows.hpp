// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>

#include "basin/cpu/detail/lanes.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

/// Prefetches what a product reads next: the rows of its next tile, into L1; and the following block of keys, into L2.
/// Every query tile of the group prefetches its share of that block, a little before each tile.
template <class T>
struct next_rows {
  row_block<T> from;
  index_t count = 0, dim = 0;
  index_t panel = 0, panels = 1;

  next_rows of_panel(index_t n, index_t all) const { return {from, count, dim, n, all}; }
  /// Called before the tile at row `at` of `rows`; if `here` is set, these are the rows of the product.
  auto during(index_t rows, row_block<T> here = {}) const {
    return [this, rows, here](index_t at) {
      constexpr index_t line = 64 / static_cast<index_t>(sizeof(T)), tile = tile_rows<T, panel_vectors<T>>;
      auto const bound = [&](index_t done) { return count * (panel * rows + std::min(done, rows)) / (panels * rows); };
      for (index_t r = bound(at), end = bound(at + tile); r < end; ++r)
        for (index_t d = 0; d < dim; d += line) BASIN_PREFETCH(from.row(r) + d, 2);
      if (here.start != nullptr)
        for (index_t r = at + tile; r < std::min(at + 2 * tile, rows); ++r)
          for (index_t d = 0; d < dim; d += line) BASIN_PREFETCH(here.row(r) + d, 3);
    };
  }
};

}  // namespace basin::cpu::detail
