// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/core/math.hpp"

namespace basin::nn::detail {

/// 1 / (1 + e^-x), for numbers and SIMD batches, on every engine.
template <class V>
BASIN_HD BASIN_INLINE V sigmoid(V x) {
  return V(1) / (V(1) + math::exp(V(0) - x));  // if e^-x is inf, the quotient is 0
}

}  // namespace basin::nn::detail
