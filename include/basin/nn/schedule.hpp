// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "basin/core/error.hpp"

// Learning rates as functions of the step, counted from 0. Both first rise linearly from peak/warmup to peak.

namespace basin::nn {
namespace detail {

inline void require_schedule(char const* name, double peak, double last, std::int64_t warmup, std::int64_t decay,
                             std::int64_t total) {
  if (!(peak >= 0) || !(last >= 0) || warmup < 0 || decay < 0 || total < 1 || warmup + decay > total)
    throw value_error(message("basin::nn::", name, ": peak ", peak, ", last ", last, ", warmup ", warmup, ", decay ",
                              decay, ", total ", total,
                              "; rates must be >= 0, and warm-up and decay must fit into the total"));
}

/// Progress through the `count` steps that end at `total`: 0 at the first of them, 1 at the last and after.
inline double progress(std::int64_t step, std::int64_t count, std::int64_t total) {
  if (count <= 1) return step >= total - 1 ? 1.0 : 0.0;
  double const done = static_cast<double>(step - (total - count)) / static_cast<double>(count - 1);
  return std::clamp(done, 0.0, 1.0);
}

inline double warm_up(std::int64_t step, std::int64_t warmup) {
  return step < warmup ? static_cast<double>(step + 1) / static_cast<double>(warmup) : 1.0;
}

}  // namespace detail

/// Warm-up, then half a cosine from peak to last. Source: Loshchilov & Hutter 2017, eq. 5, without restarts.
struct warmup_cosine {
  double peak = 1e-3, last = 1e-4;
  std::int64_t warmup = 0, total = 1;

  double operator()(std::int64_t step) const {
    detail::require_schedule("warmup_cosine", peak, last, warmup, 0, total);
    if (step < warmup) return peak * detail::warm_up(step, warmup);
    double const turn = std::numbers::pi * detail::progress(step, total - warmup, total);
    return last + (peak - last) * 0.5 * (1 + std::cos(turn));
  }
};

/// Warm-up, a plateau at peak, then a straight line to last over the final `decay` steps (WSD).
/// Source    Hu et al. 2024 (MiniCPM), section 4, with a linear anneal
struct warmup_stable_decay {
  double peak = 1e-3, last = 5e-5;
  std::int64_t warmup = 0, decay = 0, total = 1;

  double operator()(std::int64_t step) const {
    detail::require_schedule("warmup_stable_decay", peak, last, warmup, decay, total);
    if (step < warmup) return peak * detail::warm_up(step, warmup);
    if (step < total - decay || decay == 0) return peak;
    return peak + (last - peak) * static_cast<double>(step - (total - decay) + 1) / static_cast<double>(decay);
  }
};

}  // namespace basin::nn
