// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/pruner.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// Keeps the first `sinks` keys, the last `recent` keys up to the query and `ahead` keys after it:
/// j < sinks or i - recent < j <= i + ahead.
///
/// Models    pruner
/// Source    Xiao et al. 2024, arXiv 2309.17453 (StreamingLLM): 4 sinks, 512 recent keys in its code; `ahead` is for
///           bidirectional models
/// Edges     every query keeps its own key; positions are those of the whole text: keys are not renumbered inside the
///           window
/// Errors    value_error from validate(): sinks or ahead below 0, recent below 1
struct window_with_sinks {
  using alike_for_heads = std::true_type;

  index_t sinks = 4, recent = 512, ahead = 0;

  template <class T>
  BASIN_HD constexpr bool keeps(coord c, T) const {
    return c.key < sinks || (c.query - c.key < recent && c.key - c.query <= ahead);
  }
  BASIN_HD constexpr coverage covers(tile t) const {
    bool const has_sinks = t.first_key < sinks;
    index_t const first = has_sinks ? sinks : t.first_key;
    if (first >= t.last_key) return coverage::all;
    index_t const furthest = t.last_query - 1 - first;           // the range of query - key, without the sinks
    index_t const nearest = t.first_query - (t.last_key - 1);
    if (furthest < recent && -nearest <= ahead) return coverage::all;
    return !has_sinks && (nearest >= recent || -furthest > ahead) ? coverage::none : coverage::some;
  }

  void validate() const {
    if (sinks < 0) throw value_error(message("basin::window_with_sinks: sinks is ", sinks, "; it must be at least 0"));
    if (recent < 1)
      throw value_error(message("basin::window_with_sinks: recent is ", recent,
                                "; a query keeps at least its own key, so it must be at least 1"));
    if (ahead < 0) throw value_error(message("basin::window_with_sinks: ahead is ", ahead, "; it must be at least 0"));
  }
};

static_assert(pruner<window_with_sinks>);

}  // namespace basin
