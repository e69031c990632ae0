// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The 16-bit storage types. They are converted to float for computation, and results are rounded to them.

#include <cstdint>
#include <cuda/std/bit>

#include "basin/config.hpp"

namespace basin {

/// The upper half of an IEEE 754 single: 8 bits of exponent, 8 of precision (7 stored). The bits of __nv_bfloat16.
///
/// Precision rounds to nearest, ties to even: relative error <= 2^-8
/// Edges     a NaN stays a (quiet) NaN; numbers that are too large become infinite
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  BASIN_HD constexpr explicit bfloat16(float x) {
    auto const u = cuda::std::bit_cast<std::uint32_t>(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) bits = static_cast<std::uint16_t>((u >> 16) | 0x40u);
    else bits = static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  BASIN_HD constexpr operator float() const {
    return cuda::std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

/// An IEEE 754 half: 5 bits of exponent, 11 of precision (10 stored). The bits of __half and _Float16.
///
/// Precision rounds to nearest, ties to even: relative error <= 2^-11 from 2^-14 to 65504, absolute error 2^-25 below
/// Edges     a NaN stays a (quiet) NaN; numbers from 65520 on become infinite
struct float16 {
  std::uint16_t bits = 0;

  float16() = default;
  BASIN_HD constexpr explicit float16(float x) {
    auto const all = cuda::std::bit_cast<std::uint32_t>(x);
    std::uint32_t const sign = (all >> 16) & 0x8000u, u = all & 0x7fffffffu;
    std::uint32_t magnitude = 0;
    if (u > 0x7f800000u) magnitude = 0x7e00u | ((u >> 13) & 0x3ffu);
    else if (u >= 0x477ff000u) magnitude = 0x7c00u;
    else if (u >= 0x38800000u) magnitude = (u - (112u << 23) + 0xfffu + ((u >> 13) & 1u)) >> 13;
    else                                                           // subnormal: steps of 2^-24
      magnitude = cuda::std::bit_cast<std::uint32_t>(cuda::std::bit_cast<float>(u) + 0.5f) - 0x3f000000u;
    bits = static_cast<std::uint16_t>(sign | magnitude);
  }
  BASIN_HD constexpr operator float() const {
    std::uint32_t const sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
    std::uint32_t const exponent = (bits >> 10) & 0x1fu, fraction = bits & 0x3ffu;
    if (exponent == 0) {
      float const small = static_cast<float>(fraction) * 5.9604644775390625e-8f;  // 2^-24
      return sign != 0 ? -small : small;
    }
    std::uint32_t const rest =
        exponent == 31 ? 0x7f800000u | (fraction << 13) : ((exponent + 112u) << 23) | (fraction << 13);
    return cuda::std::bit_cast<float>(sign | rest);
  }
};

}  // namespace basin
