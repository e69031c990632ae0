// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/config.hpp"
#include "basin/core/view.hpp"

namespace basin {

/// One query and one key. `query` is a logical position among the keys: row i of Nq queries and Nk keys has the
/// position i + Nk - Nq. So the last query has the position of the last key, and one step with a cache is a forward
/// with Nq = 1.
struct coord {
  int batch = 0, head = 0;
  index_t query = 0, key = 0;
};

/// A rectangle of queries x keys of one head; both ranges are [first, last).
struct tile {
  int batch = 0, head = 0;
  index_t first_query = 0, last_query = 0;
  index_t first_key = 0, last_key = 0;
};

/// How much of a tile is visible. Engines skip a tile of `none`, and test no element of a tile of `all`.
enum class coverage { none, some, all };

/// The coverage by two policies together: an element is visible where it is visible under both.
BASIN_HD constexpr coverage both(coverage a, coverage b) {
  if (a == coverage::none || b == coverage::none) return coverage::none;
  return a == coverage::all && b == coverage::all ? coverage::all : coverage::some;
}

/// The position of a row and its number of visible keys; T is a scalar, or a SIMD batch with one query per lane.
/// `query` is the logical position of `coord`; `visible` counts the keys that mask and pruner keep.
template <class T>
struct row_context {
  int batch = 0, head = 0;
  T query{}, visible{};
};

/// The row of an output: batch, head and index of the query in the caller's view.
struct row_at {
  int batch = 0, head = 0;
  index_t query = 0;
};

/// A key of one query head.
struct key_at {
  int batch = 0, head = 0;
  index_t key = 0;
};

}  // namespace basin
