// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>

#include "basin/config.hpp"
#include "basin/nn/bias.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// Layer normalisation: y = (x - mean) r w + b, r = 1 / sqrt(var + epsilon). var is the mean of (x - mean)^2, computed
// after the mean: the mean of x^2 minus mean^2 would cancel. Source: Ba, Kiros & Hinton 2016, arXiv 1607.06450, eq. 3.

namespace basin::nn {
namespace detail {

// The formulas of a row, for every engine. x^ is the row with mean 0 and variance 1: (x - mean) r.
template <class T>
BASIN_HD BASIN_INLINE T squared_deviation(T x, T mean) { return (x - mean) * (x - mean); }
template <class T>
BASIN_HD BASIN_INLINE T inverse_std_of(T squares, T dim, T epsilon) {
  return T(1) / std::sqrt(squares / dim + epsilon);
}
template <class T>
BASIN_HD BASIN_INLINE T standardised(T x, T mean, T r) { return (x - mean) * r; }
/// The components of the gradient w dy along the row of ones and along x^.
template <class T>
struct layer_norm_means {
  T up, along;                                                   // mean(w dy), mean(w dy x^)
};
template <class T>
BASIN_HD BASIN_INLINE T layer_norm_slope(T x_hat, T r, T w, T dy, layer_norm_means<T> means) {
  return r * (w * dy - means.up - x_hat * means.along);
}

template <class T>
void require_layer_norm_forward(view<T const, 2> x, std::span<T const> weight, std::span<T const> bias, double epsilon,
                                view<T, 2> y, std::span<T> mean, std::span<T> inverse_std) {
  char const* const function = "layer_norm_forward";
  require_rows(function, "x", x);
  require_rows(function, "y", y);
  require_same_shape(function, "x", x, "y", y);
  require_equal(function, "the dim of x", x.extent(1), "the size of weight", std::ssize(weight));
  if (!bias.empty()) require_equal(function, "the dim of x", x.extent(1), "the size of bias", std::ssize(bias));
  require_equal(function, "the number of rows of x", x.extent(0), "the size of mean", std::ssize(mean));
  require_equal(function, "the number of rows of x", x.extent(0), "the size of inverse_std", std::ssize(inverse_std));
  if (!(epsilon >= 0))
    throw value_error(message("basin::nn::", function, ": epsilon is ", epsilon, "; it must be >= 0"));
}

template <class T>
void require_layer_norm_backward(view<T const, 2> x, std::span<T const> weight, std::span<T const> mean,
                                 std::span<T const> inverse_std, view<T const, 2> dy, view<T, 2> dx,
                                 std::span<T> dweight, std::span<T> dbias) {
  char const* const function = "layer_norm_backward";
  require_rows(function, "x", x);
  require_rows(function, "dy", dy);
  require_rows(function, "dx", dx);
  require_same_shape(function, "x", x, "dy", dy);
  require_same_shape(function, "x", x, "dx", dx);
  require_equal(function, "the dim of x", x.extent(1), "the size of weight", std::ssize(weight));
  require_equal(function, "the dim of x", x.extent(1), "the size of dweight", std::ssize(dweight));
  if (!dbias.empty()) require_equal(function, "the dim of x", x.extent(1), "the size of dbias", std::ssize(dbias));
  require_equal(function, "the number of rows of x", x.extent(0), "the size of mean", std::ssize(mean));
  require_equal(function, "the number of rows of x", x.extent(0), "the size of inverse_std", std::ssize(inverse_std));
}

}  // namespace detail

/// y_d = (x_d - mean) r w_d + b_d; stores mean and r of every row for the backward pass.
///
/// Shapes    x, y [rows, dim], weight [dim], bias [dim] or empty: no bias, mean, inverse_std [rows]
/// Precision two passes over a row: the relative error of var is a few dim eps, plus (dim eps mean)^2 / var
/// Edges     a row of equal numbers gives the bias, exactly if their sum is exact and epsilon > 0
/// Errors    shape_error; value_error: epsilon < 0; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void layer_norm_forward(host const&, const_view<T, 2> x, const_span<T> weight, const_span<T> bias, double epsilon,
                        view<T, 2> y, std::span<T> mean, std::span<T> inverse_std) {
  detail::require_layer_norm_forward<T>(x, weight, bias, epsilon, y, mean, inverse_std);
  index_t const rows = x.extent(0), dim = x.extent(1);
  T const *const w = weight.data(), *const b = bias.empty() ? nullptr : bias.data();
  BASIN_OMP(parallel for schedule(static) if (rows * dim > detail::worth_threads))
  for (index_t i = 0; i < rows; ++i) {
    T const* in = detail::row(x, i);
    T* out = detail::row(y, i);
    T sum = 0, squares = 0;
    BASIN_OMP(simd reduction(+ : sum))
    for (index_t d = 0; d < dim; ++d) sum += in[d];
    T const m = sum / static_cast<T>(dim);
    BASIN_OMP(simd reduction(+ : squares))
    for (index_t d = 0; d < dim; ++d) squares += detail::squared_deviation(in[d], m);
    T const r = detail::inverse_std_of(squares, static_cast<T>(dim), static_cast<T>(epsilon));
    mean[i] = m;
    inverse_std[i] = r;
    BASIN_OMP(simd)
    for (index_t d = 0; d < dim; ++d) out[d] = detail::standardised(in[d], m, r) * w[d] + (b ? b[d] : T(0));
  }
}

namespace detail {

/// dx_d += r (w_d dy_d - mean(w dy) - x^_d mean(w dy x^))
template <class T>
void layer_norm_backward_input(view<T const, 2> x, std::span<T const> weight, std::span<T const> mean,
                               std::span<T const> inverse_std, view<T const, 2> dy, view<T, 2> dx) {
  index_t const rows = x.extent(0), dim = x.extent(1);
  T const* w = weight.data();
  BASIN_OMP(parallel for schedule(static) if (rows * dim > worth_threads))
  for (index_t i = 0; i < rows; ++i) {
    T const *in = row(x, i), *up = row(dy, i);
    T* out = row(dx, i);
    T const m = mean[i], r = inverse_std[i];
    T sum = 0, along = 0;
    BASIN_OMP(simd reduction(+ : sum, along))
    for (index_t d = 0; d < dim; ++d) {
      sum += w[d] * up[d];
      along += w[d] * up[d] * standardised(in[d], m, r);
    }
    layer_norm_means<T> const means{sum / static_cast<T>(dim), along / static_cast<T>(dim)};
    BASIN_OMP(simd)
    for (index_t d = 0; d < dim; ++d)
      out[d] += layer_norm_slope(standardised(in[d], m, r), r, w[d], up[d], means);
  }
}

}  // namespace detail

/// Gradients of layer_norm_forward, added to dweight, dbias and dx, because the residual stream x has a gradient
/// already.
///
/// Shapes    x, dy, dx [rows, dim], weight, dweight [dim], dbias [dim] or empty: no bias, mean and inverse_std [rows]
///           as written by layer_norm_forward
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void layer_norm_backward(host const& on, const_view<T, 2> x, const_span<T> weight, const_span<T> mean,
                         const_span<T> inverse_std, const_view<T, 2> dy, view<T, 2> dx, std::span<T> dweight,
                         std::span<T> dbias) {
  detail::require_layer_norm_backward<T>(x, weight, mean, inverse_std, dy, dx, dweight, dbias);
  detail::add_column_sums<T>(x.extent(0), x.extent(1), dweight, [&](index_t i) {
    return [in = detail::row(x, i), up = detail::row(dy, i), m = mean[i], r = inverse_std[i]](index_t d) {
      return up[d] * detail::standardised(in[d], m, r);
    };
  });
  if (!dbias.empty()) bias_backward<T>(on, dy, dbias);
  detail::layer_norm_backward_input<T>(x, weight, mean, inverse_std, dy, dx);
}

}  // namespace basin::nn
