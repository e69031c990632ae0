// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>

#include "basin/concepts/scorer.hpp"
#include "basin/core/error.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// score = scale * <q, k>.
///
/// Models    linear_scorer
/// Source    Vaswani et al. 2017, eq. 1
/// Errors    value_error from validate(): a scale that is not finite
struct scaled {
  float scale = 0.0f;                                            // 0 stands for 1/sqrt(dim)

  template <class T>
  BASIN_HD T factor(T rsqrt_dim) const { return scale == 0.0f ? rsqrt_dim : T(scale); }
  template <class T>
  BASIN_HD T score(T dot, pair_at<T> at) const { return math::fma(factor(at.rsqrt_dim), dot, T(0)); }
  template <class T>
  BASIN_HD T slope(T, pair_at<T> at) const { return factor(at.rsqrt_dim); }

  friend constexpr bool operator==(scaled const&, scaled const&) = default;

  void validate() const {
    if (!(std::abs(scale) <= math::largest<float>))
      throw value_error(message("basin::scaled: scale is ", scale, "; it must be finite (0 stands for 1 / sqrt(dim))"));
  }
};

static_assert(linear_scorer<scaled>);

}  // namespace basin
