// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/pruner.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// Hides a set of keys, one set per head; used to hide sinks.
///
/// Models    pruner
/// Source    Rulli et al. 2025, arXiv 2510.15731, section 4.3: the scores of chosen keys become -inf for every query
/// Shapes    dropped [batch, heads, keys], one byte a key, 0 = kept; a stride of 0 shares one set among heads or
///           batches; it may be longer than the keys, for example for a growing cache
/// Edges     a query whose keys are all dropped gives 0; a dropped key is dropped for the query at its own position too
/// Errors    shape_error from validate(): another batch or head count, fewer bytes than keys
struct drop_keys {
  view<std::uint8_t const, 3> dropped{};

  template <class T>
  BASIN_HD bool keeps(coord c, T) const { return dropped(c.batch, c.head, c.key) == 0; }

  BASIN_HD coverage covers(tile t) const {
    index_t count = 0;
    for (index_t key = t.first_key; key < t.last_key; ++key) count += dropped(t.batch, t.head, key) != 0;
    if (count == 0) return coverage::all;
    return count == t.last_key - t.first_key ? coverage::none : coverage::some;
  }

  template <class F>
  void views(F&& f) const { f("basin::drop_keys", "dropped", dropped); }
  void validate(problem const& p) const {
    if (dropped.data_handle() == nullptr || dropped.extent(0) != p.batch || dropped.extent(1) != p.heads ||
        dropped.extent(2) < p.keys)
      throw shape_error(message("basin::drop_keys: the set is for [", dropped.extent(0), ", ", dropped.extent(1), ", ",
                                dropped.extent(2), "] (batch, heads, keys) but the call has [", p.batch, ", ",
                                p.heads, ", ", p.keys,
                                "]; give one byte for every key of every query head (a stride of 0 may share them)"));
  }
};

static_assert(pruner<drop_keys>);

}  // namespace basin
