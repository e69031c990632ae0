// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Functions that are one PTX instruction for float on a GPU, with their equivalents elsewhere.

#include <cmath>
#include <type_traits>

#include "basin/config.hpp"

namespace basin::detail::ptx {

/// 2^x; on a GPU within 2 eps, and 0 below 2^-126.
template <class T>
BASIN_HD BASIN_INLINE T exp2(T x) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }
#endif
  return std::exp2(x);
}

/// log2 x; on a GPU the relative error is within 2 eps; between 1/2 and 2 the absolute error is within 2^-22.
template <class T>
BASIN_HD BASIN_INLINE T log2(T x) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) {
    float y;
    asm("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }
#endif
  return std::log2(x);
}

/// e^x for x <= 0; on a GPU the relative error is within (2 + |x| / 2) eps, that is 2 eps absolute for weights up to 1.
template <class T>
BASIN_HD BASIN_INLINE T exp_nonpositive(T x) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) return exp2(x * 1.44269504f);
#endif
  return std::exp(x);
}

/// The larger and the smaller of two numbers; NaN if either is NaN.
template <class T>
BASIN_HD BASIN_INLINE T max(T a, T b) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) {
    float c;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
    return c;
  }
#endif
  return a < b || b != b ? b : a;
}
template <class T>
BASIN_HD BASIN_INLINE T min(T a, T b) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) {
    float c;
    asm("min.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
    return c;
  }
#endif
  return b < a || b != b ? b : a;
}

}  // namespace basin::detail::ptx
