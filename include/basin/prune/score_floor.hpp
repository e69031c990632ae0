// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/pruner.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Keeps the keys whose score reaches a floor: s_ij >= least, in the units that the normalizer is given.
///
/// Models    pruner
/// Edges     a row whose every score lies below keeps no key and gives 0; a score that is NaN is kept, so that it shows;
///           a floor of -inf keeps everything
/// Precision scores are compared in the precision of the engine: one within rounding of the floor may fall on either side
/// Cost      every cell is asked, as no tile can be judged before its scores are there
/// Errors    value_error from validate(): a floor that is NaN
struct score_floor {
  using alike_for_heads = std::true_type;

  float least = 0.0f;

  template <class T>
  BASIN_HD constexpr bool keeps(coord, T score) const { return !(score < static_cast<T>(least)); }

  void validate() const {
    if (least != least) throw value_error(message("basin::score_floor: least is ", least, "; it must be a number"));
  }
};

static_assert(pruner<score_floor>);

}  // namespace basin
