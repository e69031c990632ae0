// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>

#include "basin/config.hpp"
#include "basin/nn/detail/lanes.hpp"
#include "basin/nn/detail/sigmoid.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// The Gaussian error linear unit: y = x Phi(x), where Phi is the distribution function of the normal distribution.
// Source: Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2.

namespace basin::nn {

/// exact: x Phi(x). tanh: x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2, as in GPT-2; it differs by at most 4.8e-4.
enum class gelu_form { exact, tanh };

namespace detail {

inline constexpr double root_of_half = 0.7071067811865475244, inverse_root_of_two_pi = 0.3989422804014326779;
inline constexpr double twice_root_of_two_over_pi = 1.5957691216057307118, gelu_cubic = 0.044715;

// The formulas of an element, for every engine: value(x) = y, slope(x) = dy/dx.

/// Phi(x) = erfc(-x / sqrt 2) / 2, whose relative error is small for x << 0 too; 1 + erf would cancel.
struct exact_gelu {
  template <class T>
  BASIN_HD BASIN_INLINE static T value(T x) { return x * distribution(x); }
  template <class T>
  BASIN_HD BASIN_INLINE static T slope(T x) {
    T const density = T(inverse_root_of_two_pi) * std::exp(T(-0.5) * x * x);
    return distribution(x) + x * density;
  }

 private:
  template <class T>
  BASIN_HD BASIN_INLINE static T distribution(T x) { return T(0.5) * std::erfc(T(-root_of_half) * x); }
};

/// (1 + tanh u) / 2 = sigmoid(2u), which does not cancel for u << 0. V: a number or a SIMD batch.
struct tanh_gelu {
  template <class V>
  BASIN_HD BASIN_INLINE static V value(V x) { return x * sigmoid(argument(saturated(x))); }
  template <class V>
  BASIN_HD BASIN_INLINE static V slope(V x) {
    V const t = saturated(x), s = sigmoid(argument(t));
    V const rise = number<V>(twice_root_of_two_over_pi) * (V(1) + number<V>(3 * gelu_cubic) * t * t);
    return s + x * s * (V(1) - s) * rise;
  }

 private:
  template <class V>
  BASIN_HD BASIN_INLINE static V number(double c) { return V(static_cast<math::scalar_of<V>>(c)); }
  /// Beyond +-40 the sigmoid is exactly 0 or 1. The limit prevents 0 times infinity.
  template <class V>
  BASIN_HD BASIN_INLINE static V saturated(V x) { return math::min(math::max(x, V(-40)), V(40)); }
  /// 2u
  template <class V>
  BASIN_HD BASIN_INLINE static V argument(V x) {
    return number<V>(twice_root_of_two_over_pi) * x * (V(1) + number<V>(gelu_cubic) * x * x);
  }
};

/// f(formulas) with the formulas of the given form.
template <class F>
void with_gelu(gelu_form form, F&& f) {
  if (form == gelu_form::exact) f(exact_gelu{});
  else f(tanh_gelu{});
}

template <class T>
void require_gelu_forward(view<T const, 2> x, view<T, 2> y) {
  require_rows("gelu_forward", "x", x);
  require_rows("gelu_forward", "y", y);
  require_same_shape("gelu_forward", "x", x, "y", y);
}

template <class T>
void require_gelu_backward(view<T const, 2> x, view<T const, 2> dy, view<T, 2> dx) {
  require_rows("gelu_backward", "x", x);
  require_rows("gelu_backward", "dy", dy);
  require_rows("gelu_backward", "dx", dx);
  require_same_shape("gelu_backward", "x", x, "dy", dy);
  require_same_shape("gelu_backward", "x", x, "dx", dx);
}

/// op(lane_type, d) for all d below n. SIMD batches have no erfc as accurate as std::erfc, so the exact form uses
/// numbers.
template <class T, class Op>
BASIN_INLINE void for_gelu_lanes(tanh_gelu, index_t n, Op&& op) { for_lanes<T>(n, op); }
template <class T, class Op>
BASIN_INLINE void for_gelu_lanes(exact_gelu, index_t n, Op&& op) {
  for (index_t d = 0; d < n; ++d) op(T{}, d);
}

}  // namespace detail

/// y = gelu(x); y may be x.
///
/// Shapes    x, y [rows, hidden]
/// Precision relative error of a few eps (1 + x^2): the tail at x < 0 is an exponential of about -x^2 / 2
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void gelu_forward(host const&, gelu_form form, const_view<T, 2> x, view<T, 2> y) {
  detail::require_gelu_forward<T>(x, y);
  detail::with_gelu(form, [&](auto gelu) {
    BASIN_OMP(parallel for schedule(static) if (y.extent(0) * y.extent(1) > detail::worth_threads))
    for (index_t i = 0; i < y.extent(0); ++i) {
      T const* const in = detail::row(x, i);
      T* const out = detail::row(y, i);
      detail::for_gelu_lanes<T>(gelu, y.extent(1), [&](auto lane, index_t d) {
        detail::store(gelu.value(detail::load<decltype(lane)>(in + d)), out + d);
      });
    }
  });
}

/// dx = dy gelu'(x). Overwrites; dx may be x or dy.
///
/// Shapes    x, dy, dx [rows, hidden]
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void gelu_backward(host const&, gelu_form form, const_view<T, 2> x, const_view<T, 2> dy, view<T, 2> dx) {
  detail::require_gelu_backward<T>(x, dy, dx);
  detail::with_gelu(form, [&](auto gelu) {
    BASIN_OMP(parallel for schedule(static) if (dx.extent(0) * dx.extent(1) > detail::worth_threads))
    for (index_t i = 0; i < dx.extent(0); ++i) {
      T const *const in = detail::row(x, i), *const up = detail::row(dy, i);
      T* const out = detail::row(dx, i);
      detail::for_gelu_lanes<T>(gelu, dx.extent(1), [&](auto lane, index_t d) {
        using v = decltype(lane);
        detail::store(detail::load<v>(up + d) * gelu.slope(detail::load<v>(in + d)), out + d);
      });
    }
  });
}

}  // namespace basin::nn
