// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/mask.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// The first `length` keys are visible to every query, the rest causally: j < length or j <= i.
///
/// Models    mask
/// Source    Raffel et al. 2020, arXiv 1910.10683, section 3.2.1 (prefix LM)
/// Edges     length = 0 is causal, length >= Nk unmasked; to queries in the prefix, and to queries before the first key
///           (Nq > Nk), exactly the prefix is visible
/// Errors    value_error from validate(): a negative length
struct prefix {
  using alike_for_heads = std::true_type;

  index_t length = 0;

  BASIN_HD constexpr bool allows(coord c) const { return c.key < length || c.key <= c.query; }
  BASIN_HD constexpr coverage covers(tile t) const {
    if (t.first_key >= length && t.first_key > t.last_query - 1) return coverage::none;
    return t.last_key <= length || t.last_key - 1 <= t.first_query ? coverage::all : coverage::some;
  }

  void validate() const {
    if (length < 0) throw value_error(message("basin::prefix: length is ", length, "; it must be at least 0"));
  }
};

static_assert(mask<prefix>);

}  // namespace basin
