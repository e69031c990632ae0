// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>

#include "basin/config.hpp"
#include "basin/nn/detail/lanes.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// Weighted cross entropy of logits with one target per row: loss = sum_i weight_i (log sum_v e^logit_iv -
// logit_i,target). Every training objective here is this sum with its own inputs, targets and weights (a mean has
// weights of 1/rows).

namespace basin::nn {
namespace detail {

template <class T>
struct row_softmax {
  T max, sum;  // sum_v e^(logit_v - max)

  BASIN_HD T loss(T logit_of_target) const { return std::log(sum) + (max - logit_of_target); }
};

/// weight softmax(logits)_v, with scale = weight / sum.
template <class V>
BASIN_HD BASIN_INLINE V weighted_softmax(V logit, V max, V scale) {
  return math::exp(logit - max) * scale;
}

template <class T>
row_softmax<T> fit_row(T const* logits, index_t vocabulary) {
  T max = math::minus_inf<T>(), sum = 0;
  simd<T> maxima(max), sums(T(0));
  for_lanes<T>(vocabulary, [&](auto lane, index_t v) {
    using value = decltype(lane);
    if constexpr (std::is_same_v<value, T>) max = math::max(max, logits[v]);
    else maxima = math::max(maxima, load<value>(logits + v));
  });
  alignas(64) T lanes[simd<T>::size];
  maxima.store_aligned(lanes);
  for (T const x : lanes) max = math::max(max, x);
  for_lanes<T>(vocabulary, [&](auto lane, index_t v) {
    using value = decltype(lane);
    value const e = math::exp(load<value>(logits + v) - value(max));
    if constexpr (std::is_same_v<value, T>) sum += e;
    else sums += e;
  });
  sums.store_aligned(lanes);
  for (T const x : lanes) sum += x;
  return {max, sum};
}

template <class T>
void require_cross_entropy(char const* function, view<T const, 2> logits, std::span<int const> targets,
                           std::span<T const> weights) {
  char const* const rows = "the number of rows of logits";
  require_rows(function, "logits", logits);
  require_equal(function, rows, logits.extent(0), "the number of targets", std::ssize(targets));
  require_equal(function, rows, logits.extent(0), "the number of weights", std::ssize(weights));
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (weights[i] != 0 && (targets[i] < 0 || targets[i] >= logits.extent(1)))
      throw value_error(message("basin::nn::", function, ": target ", i, " is ", targets[i], "; it must be in [0, ",
                                logits.extent(1), "), or its weight 0"));
}

}  // namespace detail

/// Writes the unweighted loss of every row (0 where the weight is 0) and returns the weighted sum.
///
/// Shapes    logits [rows, vocabulary], targets, weights, losses [rows]
/// Precision rows in T, the sum over rows in double
/// Edges     rows of weight 0 are not read: their targets and logits may be anything, NaN included
/// Errors    shape_error; value_error: a target outside the vocabulary; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
double cross_entropy_forward(host const&, const_view<T, 2> logits, std::span<int const> targets, const_span<T> weights,
                             std::span<T> losses) {
  detail::require_cross_entropy<T>("cross_entropy_forward", logits, targets, weights);
  detail::require_equal("cross_entropy_forward", "the number of rows of logits", logits.extent(0), "the size of losses",
                        std::ssize(losses));
  index_t const rows = logits.extent(0), vocabulary = logits.extent(1);
  BASIN_OMP(parallel for schedule(static) if (rows * vocabulary > detail::worth_threads))
  for (index_t i = 0; i < rows; ++i) {
    losses[i] = 0;
    if (weights[i] == 0) continue;
    T const* x = detail::row(logits, i);
    losses[i] = detail::fit_row(x, vocabulary).loss(x[targets[i]]);
  }
  double total = 0;
  for (index_t i = 0; i < rows; ++i)
    if (weights[i] != 0) total += static_cast<double>(weights[i]) * static_cast<double>(losses[i]);
  return total;
}

/// dlogit_iv = weight_i (softmax(logits_i)_v - [v = target_i]); rows of weight 0 get 0. dlogits may be logits.
///
/// Shapes    logits, dlogits [rows, vocabulary], targets, weights [rows]
/// Errors    shape_error; value_error: a target outside the vocabulary; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void cross_entropy_backward(host const&, const_view<T, 2> logits, std::span<int const> targets, const_span<T> weights,
                            view<T, 2> dlogits) {
  detail::require_cross_entropy<T>("cross_entropy_backward", logits, targets, weights);
  detail::require_rows("cross_entropy_backward", "dlogits", dlogits);
  detail::require_same_shape("cross_entropy_backward", "logits", logits, "dlogits", dlogits);
  index_t const rows = logits.extent(0), vocabulary = logits.extent(1);
  BASIN_OMP(parallel for schedule(static) if (rows * vocabulary > detail::worth_threads))
  for (index_t i = 0; i < rows; ++i) {
    T* out = detail::row(dlogits, i);
    if (weights[i] == 0) {
      std::fill_n(out, vocabulary, T(0));
      continue;
    }
    T const* x = detail::row(logits, i);
    auto const [max, sum] = detail::fit_row(x, vocabulary);
    T const top = max, scale = weights[i] / sum;  // a lambda cannot capture a structured binding
    detail::for_lanes<T>(vocabulary, [&](auto lane, index_t v) {
      using value = decltype(lane);
      detail::store(detail::weighted_softmax(detail::load<value>(x + v), value(top), value(scale)), out + v);
    });
    out[targets[i]] -= weights[i];
  }
}

/// The loss of every row, their weighted sum, and its gradient with respect to the logits: both of the above.
///
/// Shapes    logits, dlogits [rows, vocabulary], targets, weights, losses [rows], total one number; dlogits may be
///           logits
/// Edges     as cross_entropy_forward
/// Errors    shape_error; value_error: a target outside the vocabulary; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void cross_entropy(host const& on, const_view<T, 2> logits, std::span<int const> targets, const_span<T> weights,
                   std::span<T> losses, view<T, 2> dlogits, double* total) {
  *total = cross_entropy_forward(on, logits, targets, weights, losses);
  cross_entropy_backward(on, logits, targets, weights, dlogits);
}

}  // namespace basin::nn
