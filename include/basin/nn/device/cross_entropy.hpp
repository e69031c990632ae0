// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/cross_entropy.hpp"
#include "basin/nn/device/grids.hpp"

// The weighted cross entropy of nn/cross_entropy.hpp on a device, forward and backward in one pass: one warp per row.

namespace basin::nn {
namespace detail {

/// A lane reads and writes only elements of its own, so dlogits may be logits.
template <class T>
struct cross_entropy_row {
  view<T const, 2> logits;
  int const* targets;
  T const* weights;
  T* losses;
  view<T, 2> dlogits;

  template <class Lanes>
  BASIN_DEVICE void operator()(Lanes const& lanes, index_t i) const {
    index_t const vocabulary = logits.extent(1);
    T const weight = weights[i];
    if (weight == 0) {
      if (lanes.lane() == 0) losses[i] = 0;
      for (index_t v = lanes.lane(); v < vocabulary; v += lanes.width) dlogits(i, v) = 0;
      return;
    }
    row_softmax<T> fit{math::minus_inf<T>(), 0};
    for (index_t v = lanes.lane(); v < vocabulary; v += lanes.width) fit.max = math::max(fit.max, logits(i, v));
    fit.max = lanes.max(fit.max);
    for (index_t v = lanes.lane(); v < vocabulary; v += lanes.width) fit.sum += math::exp(logits(i, v) - fit.max);
    fit.sum = lanes.sum(fit.sum);
    for (index_t v = lanes.lane(); v < vocabulary; v += lanes.width) {
      T const x = logits(i, v), share = weighted_softmax(x, fit.max, weight / fit.sum);
      if (v == targets[i]) losses[i] = fit.loss(x);
      dlogits(i, v) = v == targets[i] ? share - weight : share;
    }
  }
};

template <class T>
struct weighted_loss {
  T const *weights, *losses;

  BASIN_DEVICE double operator()(index_t i) const {
    return weights[i] == 0 ? 0.0 : static_cast<double>(weights[i]) * static_cast<double>(losses[i]);
  }
};

}  // namespace detail

/// The loss of every row, their weighted sum, and its gradient with respect to the logits.
///
/// Shapes    logits, dlogits [rows, vocabulary], targets, weights, losses [rows], total one number; dlogits may be
///           logits
/// Edges     as cross_entropy_forward; targets are not checked, because they are in device memory
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void cross_entropy(D& on, const_view<T, 2> logits, std::span<int const> targets, const_span<T> weights,
                   std::span<T> losses, view<T, 2> dlogits, double* total) {
  char const* const function = "cross_entropy";
  index_t const rows = logits.extent(0);
  detail::require_rows(function, "logits", logits);
  detail::require_rows(function, "dlogits", dlogits);
  detail::require_same_shape(function, "logits", logits, "dlogits", dlogits);
  detail::require_equal(function, "the number of rows of logits", rows, "the number of targets", std::ssize(targets));
  detail::require_equal(function, "the number of rows of logits", rows, "the number of weights", std::ssize(weights));
  detail::require_equal(function, "the number of rows of logits", rows, "the size of losses", std::ssize(losses));
  detail::cross_entropy_row<T> const row{logits, targets.data(), weights.data(), losses.data(), dlogits};
  on.launch("basin::nn::cross_entropy", detail::each_row<detail::cross_entropy_row<T>>{rows, row});
  on.launch("basin::nn::cross_entropy",
            detail::block_sums<detail::weighted_loss<T>>{rows, rows, total, {weights.data(), losses.data()}});
}

}  // namespace basin::nn
