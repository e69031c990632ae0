// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "basin/concepts/pruner.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// Keeps a set of keys and no others, one set per head, as for a cache of selected keys. drop_keys is the converse.
///
/// Models    pruner
/// Shapes    kept [batch, heads, keys], one byte a key, 0 = hidden; a stride of 0 shares one set among heads or
///           batches; it may be longer than the keys, for example for a growing cache
/// Edges     a query whose keys are all hidden gives 0; a hidden key is hidden from the query at its own position too
/// Errors    shape_error from validate(): another batch or head count, fewer bytes than keys
struct keep_keys {
  view<std::uint8_t const, 3> kept{};

  template <class T>
  BASIN_HD bool keeps(coord c, T) const { return kept(c.batch, c.head, c.key) != 0; }

  BASIN_HD coverage covers(tile t) const {
    index_t count = 0;
    for (index_t key = t.first_key; key < t.last_key; ++key) count += kept(t.batch, t.head, key) != 0;
    if (count == 0) return coverage::none;
    return count == t.last_key - t.first_key ? coverage::all : coverage::some;
  }

  template <class F>
  void views(F&& f) const { f("basin::keep_keys", "kept", kept); }
  void validate(problem const& p) const {
    if (kept.data_handle() == nullptr || kept.extent(0) != p.batch || kept.extent(1) != p.heads ||
        kept.extent(2) < p.keys)
      throw shape_error(message("basin::keep_keys: the set is for [", kept.extent(0), ", ", kept.extent(1), ", ",
                                kept.extent(2), "] (batch, heads, keys) but the call has [", p.batch, ", ", p.heads,
                                ", ", p.keys,
                                "]; give one byte for every key of every query head (a stride of 0 may share them)"));
  }
};

static_assert(pruner<keep_keys>);

}  // namespace basin
