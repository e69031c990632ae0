// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/mask.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// The mask of block diffusion in training, over the doubled input [x_t ; x_0] of a noised and a clean copy, each of
/// `length` positions in blocks of `block`. Visible to a query are
///   block-diagonal   its own block in its own copy
///   offset           noised: the clean blocks before its own
///   causal           clean: the clean blocks up to its own
///
/// Models    mask
/// Source    Arriola et al. 2025, arXiv 2503.09573 (BD3-LM), section 3.2 and the code of its authors
/// Shapes    keys 0 .. length - 1 are x_t, length .. 2 length - 1 are x_0; positions restart in each copy
/// Edges     the last block may be short; no key is visible to a query before the first key
/// Errors    value_error from validate(): block or length < 1; shape_error: the call has not 2 length keys
struct doubled_block_causal {
  using alike_for_heads = std::true_type;

  index_t block = 32, length = 1;

  BASIN_HD constexpr bool allows(coord c) const {
    if (c.query < 0) return false;
    index_t const query_copy = c.query >= length, key_copy = c.key >= length;
    index_t const query_block = (c.query - query_copy * length) / block;
    index_t const key_block = (c.key - key_copy * length) / block;
    if (query_copy == 0 && key_copy == 0) return key_block == query_block;
    if (key_copy == 0) return false;
    return query_copy == 0 ? key_block < query_block : key_block <= query_block;
  }

  /// Combines the coverage of the tile's parts, one for each pair of copies.
  BASIN_HD constexpr coverage covers(tile t) const {
    if (t.last_query <= 0) return coverage::none;
    bool any = false, every = t.first_query >= 0;
    t.first_query = t.first_query < 0 ? 0 : t.first_query;
    for (index_t query_copy = 0; query_copy < 2; ++query_copy)
      for (index_t key_copy = 0; key_copy < 2; ++key_copy) {
        range const queries = blocks(t.first_query, t.last_query, query_copy);
        range const keys = blocks(t.first_key, t.last_key, key_copy);
        if (queries.empty() || keys.empty()) continue;
        coverage const part = seen(queries, keys, query_copy, key_copy);
        any = any || part != coverage::none;
        every = every && part == coverage::all;
      }
    return !any ? coverage::none : every ? coverage::all : coverage::some;
  }

  void validate() const {
    if (block < 1)
      throw value_error(message("basin::doubled_block_causal: block is ", block,
                                "; a block needs at least 1 position"));
    if (length < 1)
      throw value_error(message("basin::doubled_block_causal: length is ", length,
                                "; each copy needs at least 1 position"));
  }
  void validate(problem const& p) const {
    validate();
    if (p.keys % 2 != 0 || p.keys / 2 != length)
      throw shape_error(message("basin::doubled_block_causal: the call has ", p.keys, " keys but length is ", length,
                                "; the keys must be the noised copy and the clean copy, each of that length"));
  }

 private:
  /// Blocks first .. last of one copy.
  struct range {
    index_t first, last;
    BASIN_HD constexpr bool empty() const { return last < first; }
  };
  BASIN_HD constexpr range blocks(index_t first, index_t last, index_t copy) const {
    index_t const start = copy * length;
    index_t const from = first > start ? first : start, to = last < start + length ? last : start + length;
    return from < to ? range{(from - start) / block, (to - 1 - start) / block} : range{0, -1};
  }
  BASIN_HD static constexpr coverage seen(range queries, range keys, index_t query_copy, index_t key_copy) {
    if (query_copy == 0 && key_copy == 0) {                      // block-diagonal
      if (keys.last < queries.first || keys.first > queries.last) return coverage::none;
      return queries.first == queries.last && keys.first == keys.last ? coverage::all : coverage::some;
    }
    if (key_copy == 0) return coverage::none;
    index_t const offset = query_copy == 0 ? 1 : 0;              // a noised query's own clean block is hidden
    if (keys.first > queries.last - offset) return coverage::none;
    return keys.last <= queries.first - offset ? coverage::all : coverage::some;
  }
};

static_assert(mask<doubled_block_causal>);

}  // namespace basin
