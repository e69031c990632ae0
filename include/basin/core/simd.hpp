// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The SIMD batch of this build (xsimd selects the widest instruction set that the compiler targets), and the functions
// of core/math.hpp for batches.

#include <array>
#include <cstdint>
#include <type_traits>
#include <xsimd/xsimd.hpp>

#include "basin/core/detail/x86.hpp"
#include "basin/core/math.hpp"

namespace basin {

/// A vector of scalars of type T, in the widest registers of the build.
template <class T>
using simd = xsimd::batch<T>;

namespace detail {

/// Whether the processor has fused multiply-add.
#if defined(__x86_64__) && !defined(__FMA__)
inline constexpr bool has_fused = false;
#else
inline constexpr bool has_fused = true;
#endif

/// x y + z, rounded once where the processor has fused multiply-add. xsimd 8 leaves AVX-512 to the compiler's
/// contraction, which clang does not do across functions.
template <class T, class Arch>
BASIN_INLINE xsimd::batch<T, Arch> fused(xsimd::batch<T, Arch> x, xsimd::batch<T, Arch> y, xsimd::batch<T, Arch> z) {
  constexpr bool is_avx512 = std::is_base_of_v<xsimd::avx512f, Arch>;
  if constexpr (is_avx512 && std::is_same_v<T, float>) return _mm512_fmadd_ps(x.data, y.data, z.data);
  else if constexpr (is_avx512 && std::is_same_v<T, double>) return _mm512_fmadd_pd(x.data, y.data, z.data);
  else return xsimd::fma(x, y, z);
}

/// A polynomial in x by Horner's rule, highest coefficient first.
template <class Arch, class... Numbers>
BASIN_INLINE xsimd::batch<float, Arch> polynomial(xsimd::batch<float, Arch> x, float first, Numbers... rest) {
  xsimd::batch<float, Arch> p(first);
  ((p = fused(p, x, xsimd::batch<float, Arch>(rest))), ...);
  return p;
}

/// x 2^n for whole n in [-126, 128], where the result is a normal number or overflows.
template <class Arch>
BASIN_INLINE xsimd::batch<float, Arch> times_power_of_two(xsimd::batch<float, Arch> x, xsimd::batch<float, Arch> n) {
  using integers = xsimd::batch<std::int32_t, Arch>;
  integers const whole = xsimd::to_int(n), half = whole >> 1;
  auto const power = [](integers e) {
    return xsimd::bitwise_cast<xsimd::batch<float, Arch>>((e + integers(127)) << 23);
  };
  return x * power(half) * power(whole - half);                  // in two factors, because 2^128 overflows
}

/// p 2^n, and 0 where x < least (not where x is NaN).
template <class Arch>
BASIN_INLINE xsimd::batch<float, Arch> scaled_unless_below(xsimd::batch<float, Arch> p, xsimd::batch<float, Arch> n,
                                                           xsimd::batch<float, Arch> x,
                                                           xsimd::batch<float, Arch> least) {
  using v = xsimd::batch<float, Arch>;
  if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) return x86::scaled(p.data, n.data, x.data, least.data);
  else return xsimd::select(x < least, v(0.0f), times_power_of_two(p, n));
}

/// e^x in single precision.
///
/// Source    x = n ln 2 + f, |f| <= ln 2 / 2; e^f by a polynomial of degree 6 fitted to the relative error (Lawson's
///           reweighted least squares): 1.9e-9 before rounding
/// Precision relative error <= 1 eps for x in [-87.33, 88.72] (unit/core/simd.test.cpp tests the range)
/// Edges     0 below -87.33, because arithmetic on subnormal results would be a hundred times slower;
///           exp(x > 88.73) = inf; a NaN stays a NaN
/// Cost      about 16 instructions
template <class Arch>
BASIN_INLINE xsimd::batch<float, Arch> exp_by_polynomial(xsimd::batch<float, Arch> x) {
  using v = xsimd::batch<float, Arch>;
  v const least(-87.33f), given = x;
  x = xsimd::min(v(120.0f), x);                                  // a NaN in the second operand is returned
  v const magic(12582912.0f);                                    // 1.5 x 2^23: adding it rounds to whole numbers
  v const n = fused(x, v(1.44269504f), magic) - magic;
  v f = fused(n, v(-0.693359375f), x);                           // ln 2 = 0.693359375 - 2.12194440e-4
  f = fused(n, v(2.12194440e-4f), f);
  v const p = polynomial(f, 0.0013836793f, 0.0083748568f, 0.0416682288f, 0.1666641980f, 0.4999999106f, 1.0f, 1.0f);
  return scaled_unless_below(p, n, given, least);
}

/// e^x in single precision for x <= 0, in four instructions less than exp_by_polynomial.
///
/// Source    as exp_by_polynomial, with degree 5 (9.2e-8 before rounding; e^0 = 1) and ln 2 in one number
/// Precision relative error <= (1.5 + |x| / 40) eps for x in [-87.33, 0]; absolute error <= 1.5 eps for weights up to 1
/// Edges     0 below -87.33; a NaN stays a NaN; the same precision for x in (0, 1], none guaranteed beyond
template <class Arch>
BASIN_INLINE xsimd::batch<float, Arch> exp_nonpositive_by_polynomial(xsimd::batch<float, Arch> x) {
  using v = xsimd::batch<float, Arch>;
  v const magic(12582912.0f);
  v const n = fused(x, v(1.44269504f), magic) - magic;
  v const f = has_fused ? fused(n, v(-0.693147181f), x) : fused(n, v(2.12194440e-4f), fused(n, v(-0.693359375f), x));
  v const p = polynomial(f, 0.0082902638f, 0.0418981612f, 0.1666763872f, 0.4999914765f, 0.9999997020f, 1.0f);
  return scaled_unless_below(p, n, x, v(-87.33f));
}

}  // namespace detail

namespace math {

template <class T, class Arch>
struct functions<xsimd::batch<T, Arch>> {
  using scalar = T;
  using batch = xsimd::batch<T, Arch>;
  using mask = typename batch::batch_bool_type;
  static BASIN_INLINE batch exp(batch x) {
    if constexpr (std::is_same_v<T, float>) return basin::detail::exp_by_polynomial(x);
    else return xsimd::exp(x);
  }
  static BASIN_INLINE batch exp_nonpositive(batch x) {
    if constexpr (std::is_same_v<T, float>) return basin::detail::exp_nonpositive_by_polynomial(x);
    else return xsimd::exp(x);
  }
  static BASIN_INLINE batch exp2(batch x) { return xsimd::exp2(x); }
  static BASIN_INLINE batch expm1(batch x) { return xsimd::expm1(x); }
  static BASIN_INLINE batch floor(batch x) { return xsimd::floor(x); }
  static BASIN_INLINE batch fma(batch x, batch y, batch z) { return basin::detail::fused(x, y, z); }
  static BASIN_INLINE batch log(batch x) { return xsimd::log(x); }
  static BASIN_INLINE batch log2(batch x) { return xsimd::log2(x); }
  static BASIN_INLINE batch sqrt(batch x) { return xsimd::sqrt(x); }
  static BASIN_INLINE batch tanh(batch x) { return xsimd::tanh(x); }
  // The instructions for max and min return a NaN of the second operand only.
  static BASIN_INLINE batch max(batch a, batch b) { return xsimd::select(b == b, xsimd::max(b, a), b); }
  static BASIN_INLINE batch min(batch a, batch b) { return xsimd::select(b == b, xsimd::min(b, a), b); }
  static BASIN_INLINE batch larger(batch a, batch b) { return xsimd::max(a, b); }
  static BASIN_INLINE batch smaller(batch a, batch b) { return xsimd::min(a, b); }
  static BASIN_INLINE batch select(mask which, batch yes, batch no) { return xsimd::select(which, yes, no); }
};

template <class T, class Arch>
struct masks<xsimd::batch_bool<T, Arch>> {
  static BASIN_INLINE bool any(xsimd::batch_bool<T, Arch> which) { return xsimd::any(which); }
};

}  // namespace math

/// Loads one batch of T from numbers of a storage type at any address; exact.
template <class T, class Storage>
BASIN_INLINE simd<T> load_as(Storage const* from) {
  if constexpr (std::is_same_v<T, Storage>) {
    return simd<T>::load_unaligned(from);
  } else if constexpr (std::is_same_v<T, float> && sizeof(Storage) == 2 && detail::x86::has_halves) {
    return detail::x86::load(from);
  } else {
    alignas(64) T values[simd<T>::size];
    for (std::size_t i = 0; i < simd<T>::size; ++i) values[i] = static_cast<T>(from[i]);
    return simd<T>::load_aligned(values);
  }
}

/// Stores a batch at any address, rounded to the storage type.
template <class T, class Storage>
BASIN_INLINE void store_as(simd<T> x, Storage* to) {
  if constexpr (std::is_same_v<T, Storage>) {
    x.store_unaligned(to);
  } else if constexpr (std::is_same_v<T, float> && sizeof(Storage) == 2 && detail::x86::has_halves) {
    detail::x86::store(x.data, to);
  } else {
    alignas(64) T values[simd<T>::size];
    x.store_aligned(values);
    for (std::size_t i = 0; i < simd<T>::size; ++i) to[i] = static_cast<Storage>(values[i]);
  }
}

/// Transposes a square matrix whose rows are batches.
template <class T>
BASIN_INLINE void transpose(std::array<simd<T>, simd<T>::size>& rows) {
  constexpr std::size_t n = simd<T>::size;
  if constexpr (std::is_same_v<T, float> && detail::x86::has_squares) {
    detail::x86::transpose(rows);
  } else {
    alignas(64) T from[n][n], to[n][n];
    for (std::size_t i = 0; i < n; ++i) rows[i].store_aligned(from[i]);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) to[j][i] = from[i][j];
    for (std::size_t i = 0; i < n; ++i) rows[i] = simd<T>::load_aligned(to[i]);
  }
}

/// Lane i of the result is the sum of the lanes of row i.
template <class T>
BASIN_INLINE simd<T> sums_of(std::array<simd<T>, simd<T>::size>& rows) {
  if constexpr (std::is_same_v<T, float> && simd<T>::size == 16 && detail::x86::has_squares) {
    return detail::x86::sums(rows);
  } else {
    transpose<T>(rows);
    simd<T> sum = rows[0];
    for (std::size_t i = 1; i < simd<T>::size; ++i) sum = sum + rows[i];
    return sum;
  }
}

/// The batch {0, 1, 2, ...}.
template <class T>
simd<T> lane_numbers() {
  alignas(64) T values[simd<T>::size];
  for (std::size_t i = 0; i < simd<T>::size; ++i) values[i] = static_cast<T>(i);
  return simd<T>::load_aligned(values);
}

}  // namespace basin
