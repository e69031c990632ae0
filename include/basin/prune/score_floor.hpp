// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <limits>

#include "basin/concepts/pruner.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Keeps the keys whose score is at or above a floor: s_ij >= least, in the units of the normalizer's scores.
///
/// Models    pruner
/// Edges     a row whose scores are all below keeps no key and gives 0; a key whose score is NaN is kept, so that the
///           NaN is not hidden; a floor of -inf keeps all keys
/// Precision scores are compared in the precision of the engine: a score within rounding of the floor may fall on
///           either side
/// Cost      1 comparison per score; no tile is skipped
/// Errors    value_error from validate(): a floor that is NaN, or +inf, below which every score is
struct score_floor {
  using alike_for_heads = std::true_type;

  float least = 0.0f;

  template <class T>
  BASIN_HD constexpr bool keeps(coord, T score) const { return !(score < static_cast<T>(least)); }

  void validate() const {
    if (!(least <= std::numeric_limits<float>::max()))
      throw value_error(message("basin::score_floor: least is ", least, "; it must be a number below infinity"));
  }
};

static_assert(pruner<score_floor>);

}  // namespace basin
