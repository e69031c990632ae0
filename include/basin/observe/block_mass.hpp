// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/observer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// The total weight that every query gives to each block of keys: m_iJ = sum of w_ij over the keys j of block J.
/// sparse_pattern() (prune/block_sparse.hpp) reads it.
///
/// Models    whole_row_observer
/// Shapes    masses [batch, heads, queries, ceil(Nk / block)]; overwritten by every call
/// Precision the weights that the engine computes, summed in double
/// Edges     the last block may be short; an empty row gives zeros
/// Cost      1 flop per weight
/// Errors    shape_error from validate(); value_error: block < 1
struct block_mass {
  view<double, 4> masses{};
  index_t block = 128;

  void sees_whole_row(row_at at, whole_row const& row) const {
    auto const keys = static_cast<index_t>(row.weights.size());
    for (index_t first = 0; first < keys; first += block) {
      double sum = 0;
      for (index_t key = first; key < keys && key < first + block; ++key)
        sum += row.weights[static_cast<std::size_t>(key)];
      masses(at.batch, at.head, at.query, first / block) = sum;
    }
  }

  template <class F>
  void views(F&& f) const { f("basin::block_mass", "masses", masses); }
  void validate(problem const& p) const {
    if (block < 1) throw value_error(message("basin::block_mass: block is ", block, "; a block needs at least 1 key"));
    index_t const blocks = (p.keys + block - 1) / block;
    if (masses.data_handle() == nullptr || masses.extent(0) != p.batch || masses.extent(1) != p.heads ||
        masses.extent(2) != p.queries || masses.extent(3) != blocks)
      throw shape_error(message("basin::block_mass: masses is [", masses.extent(0), ", ", masses.extent(1), ", ",
                                masses.extent(2), ", ", masses.extent(3),
                                "] but the call has [batch, heads, queries, blocks of keys] = [", p.batch, ", ",
                                p.heads, ", ", p.queries, ", ", blocks, "]"));
    detail::require_own_elements("basin::block_mass", "masses", masses);
  }
};

static_assert(whole_row_observer<block_mass>);

}  // namespace basin
