// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The elementary functions that policies use. A policy writes math::exp(x) once; T is float or double, on the host or
// in a kernel, or a SIMD batch (core/simd.hpp specialises `functions`). A comparison of batches gives a lane mask, not
// a bool.

#include <cmath>
#include <limits>

#include "basin/config.hpp"
#include "basin/core/detail/ptx.hpp"

namespace basin::math {

/// The implementation of the functions below for T; specialised for SIMD batches.
template <class T>
struct functions {
  using scalar = T;
  using mask = bool;
  BASIN_HD static T exp(T x) { return std::exp(x); }
  BASIN_HD static T exp_nonpositive(T x) { return detail::ptx::exp_nonpositive(x); }
  BASIN_HD static T exp2(T x) { return detail::ptx::exp2(x); }
  BASIN_HD static T expm1(T x) { return std::expm1(x); }
  BASIN_HD static T floor(T x) { return std::floor(x); }
  BASIN_HD static T fma(T x, T y, T z) { return std::fma(x, y, z); }
  BASIN_HD static T log(T x) { return std::log(x); }
  BASIN_HD static T log2(T x) { return detail::ptx::log2(x); }
  BASIN_HD static T sqrt(T x) { return std::sqrt(x); }
  BASIN_HD static T tanh(T x) { return std::tanh(x); }
  BASIN_HD static T max(T a, T b) { return detail::ptx::max(a, b); }  // NaN if either is NaN
  BASIN_HD static T min(T a, T b) { return detail::ptx::min(a, b); }
  BASIN_HD static T larger(T a, T b) { return a > b ? a : b; }
  BASIN_HD static T smaller(T a, T b) { return a < b ? a : b; }
  BASIN_HD static T select(bool which, T yes, T no) { return which ? yes : no; }
  BASIN_HD static bool any(bool which) { return which; }
};

template <class T>
using scalar_of = typename functions<T>::scalar;

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double log2_of_e = 1.4426950408889634, log_of_2 = 0.6931471805599453;
template <class T>
inline constexpr T largest = std::numeric_limits<T>::max();
template <class T>
inline constexpr T least = std::numeric_limits<T>::min();        // the least positive normal number
template <class T>
inline constexpr T step_at_one = std::numeric_limits<T>::epsilon();

template <class T>
BASIN_HD T minus_inf() {
  return T(static_cast<scalar_of<T>>(-infinity));
}

/// The least finite value. A running maximum starts here: lowest - lowest is 0 and -inf - lowest is -inf, never NaN.
template <class T>
BASIN_HD T lowest() {
  return T(-largest<scalar_of<T>>);
}

/// The largest finite value. A running minimum starts here.
template <class T>
BASIN_HD T highest() {
  return T(largest<scalar_of<T>>);
}
/// The distance from 1 to the next number.
template <class T>
BASIN_HD T epsilon() {
  return T(step_at_one<scalar_of<T>>);
}

template <class T>
BASIN_HD BASIN_INLINE T exp(T x) {
  return functions<T>::exp(x);
}
/// e^x for x <= 0, cheaper than exp() where possible: for scores minus the maximum of their row.
template <class T>
BASIN_HD BASIN_INLINE T exp_nonpositive(T x) {
  return functions<T>::exp_nonpositive(x);
}
/// 2^x. For float on a GPU: one instruction, within 2 eps, and 0 below 2^-126.
template <class T>
BASIN_HD BASIN_INLINE T exp2(T x) {
  return functions<T>::exp2(x);
}
/// e^x - 1, accurate for small x too.
template <class T>
BASIN_HD BASIN_INLINE T expm1(T x) {
  return functions<T>::expm1(x);
}
/// x y + z, rounded once where the processor has fused multiply-add.
template <class T>
BASIN_HD BASIN_INLINE T fma(T x, T y, T z) {
  return functions<T>::fma(x, y, z);
}
template <class T>
BASIN_HD BASIN_INLINE T log(T x) {
  return functions<T>::log(x);
}
/// log2 x. For float on a GPU: one instruction, within 2 eps; between 1/2 and 2 within 2^-22.
template <class T>
BASIN_HD BASIN_INLINE T log2(T x) {
  return functions<T>::log2(x);
}
template <class T>
BASIN_HD BASIN_INLINE T floor(T x) {
  return functions<T>::floor(x);
}
template <class T>
BASIN_HD BASIN_INLINE T sqrt(T x) {
  return functions<T>::sqrt(x);
}
template <class T>
BASIN_HD BASIN_INLINE T tanh(T x) {
  return functions<T>::tanh(x);
}
template <class T>
BASIN_HD BASIN_INLINE T max(T a, T b) {
  return functions<T>::max(a, b);
}
/// The larger and the smaller of two numbers in one instruction; if one of them is a NaN, the second argument.
template <class T>
BASIN_HD BASIN_INLINE T larger(T a, T b) {
  return functions<T>::larger(a, b);
}
template <class T>
BASIN_HD BASIN_INLINE T smaller(T a, T b) {
  return functions<T>::smaller(a, b);
}
template <class T>
BASIN_HD BASIN_INLINE T min(T a, T b) {
  return functions<T>::min(a, b);
}

/// `yes` where `which` is true, else `no`.
template <class T>
BASIN_HD BASIN_INLINE T select(typename functions<T>::mask which, T yes, T no) {
  return functions<T>::select(which, yes, no);
}

/// |x|; a NaN stays one.
template <class T>
BASIN_HD BASIN_INLINE T abs(T x) {
  return max(x, T(0) - x);
}

/// Whether the condition holds in any lane.
template <class Mask>
struct masks {
  BASIN_HD static constexpr bool any(Mask which) { return which; }
};
template <class Mask>
BASIN_HD constexpr bool any(Mask which) {
  return masks<Mask>::any(which);
}

}  // namespace basin::math
