// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/mask.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Blocks of `block` positions: visible to a query are all keys of its own block and of every block before it.
///
/// Models    mask
/// Source    Arriola et al. 2025, arXiv 2503.09573 (BD3-LM): its mask for sampling, block by block over a clean past;
///           for its training input see doubled_block_causal
/// Edges     block = 1 is causal, block >= Nk unmasked; the last block may be short; no key is visible to a query
///           before the first key
/// Errors    value_error from validate(): block < 1
struct block_causal {
  using alike_for_heads = std::true_type;

  index_t block = 32;

  BASIN_HD constexpr bool allows(coord c) const { return c.query >= 0 && c.key < (c.query / block + 1) * block; }
  BASIN_HD constexpr coverage covers(tile t) const {
    if (t.last_query <= 0 || t.first_key / block > (t.last_query - 1) / block) return coverage::none;
    return t.first_query >= 0 && (t.last_key - 1) / block <= t.first_query / block ? coverage::all : coverage::some;
  }

  void validate() const {
    if (block < 1)
      throw value_error(message("basin::block_causal: block is ", block, "; a block needs at least 1 position"));
  }
};

static_assert(mask<block_causal>);

}  // namespace basin
