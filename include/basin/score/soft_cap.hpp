// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>

#include "basin/concepts/scorer.hpp"
#include "basin/core/error.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// Scores bounded smoothly by +-cap: score = cap tanh(scale <q, k> / cap).
///
/// Models    scorer
/// Source    Gemma 2, arXiv 2408.00118, section 2 (cap 50 for attention); the slope is scale (1 - tanh^2)
/// Edges     a product of +-inf gives the finite score +-cap; a NaN stays a NaN
/// Cost      1 tanh per score; the backward pass keeps <q, k> beside the score
/// Errors    value_error from validate(): a cap that is not positive and finite, a scale that is not finite
struct soft_cap {
  float cap = 50.0f;
  float scale = 0.0f;                                            // 0 stands for 1/sqrt(dim)

  template <class T>
  BASIN_HD T score(T dot, pair_at<T> at) const { return math::fma(T(cap), bent(dot, at), T(0)); }
  template <class T>
  BASIN_HD T slope(T dot, pair_at<T> at) const {
    T const t = bent(dot, at);
    return factor(at) * (T(1) - t * t);
  }

  void validate() const {
    if (!(cap > 0 && cap <= math::largest<float>))
      throw value_error(message("basin::soft_cap: cap is ", cap, "; it must be positive and finite"));
    if (!(std::abs(scale) <= math::largest<float>))
      throw value_error(message("basin::soft_cap: scale is ", scale,
                                "; it must be finite (0 stands for 1 / sqrt(dim))"));
  }

 private:
  template <class T>
  BASIN_HD T factor(pair_at<T> at) const { return scale == 0.0f ? at.rsqrt_dim : T(scale); }
  template <class T>
  BASIN_HD T bent(T dot, pair_at<T> at) const { return math::tanh(math::fma(factor(at), dot, T(0)) / T(cap)); }
};

static_assert(scorer<soft_cap> && !linear_scorer<soft_cap>);

}  // namespace basin
