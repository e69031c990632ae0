// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// An exponential by multiply-adds, for kernels that are limited by the unit for exponentials.

#include <concepts>
#include <cstdint>
#include <cuda/std/bit>

#include "basin/config.hpp"
#include "basin/core/math.hpp"

namespace basin::gpu::detail {

/// How an exponential is computed: by the processor's special function unit, or by multiply-adds.
enum class exponential { by_unit, by_multiply_adds };

/// 2^x for x <= 0.
///
/// Source    a polynomial through the Chebyshev points of [-1/2, 1/2], of degree 4
/// Precision relative error <= 4e-6, far below the rounding of weights to 16 bits; 0 below 2^-125
/// Edges     -inf gives 0, NaN gives NaN
/// Cost      11 instructions
template <std::same_as<float> T>
BASIN_DEVICE T exp2_by_multiply_adds(T x) {
  float const magic = 12582912.0f, shifted = x + magic;          // the nearest integer is in the low bits of `shifted`
  float const f = x - (shifted - magic);
  float p = 0.00966636836528778f;
  p = math::fma(p, f, 0.055921975523233414f);
  p = math::fma(p, f, 0.2402234971523285f);
  p = math::fma(p, f, 0.6931210160255432f);
  p = math::fma(p, f, 1.0f);
  float const scale = cuda::std::bit_cast<float>((cuda::std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3f800000u);
  return x < -125.0f ? 0.0f : p * scale;
}

}  // namespace basin::gpu::detail
