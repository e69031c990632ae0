// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Is a head saturated? Section 6 of arXiv 2508.17821 names two signs: how the entropy of rows grows with their length,
// and which share of selected tokens is still distinguishable.

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/theory/decay.hpp"

namespace basin::theory {

/// Entropy of a row in nats, and as a share of its maximum log L.
struct spread_of_row {
  double nats = 0, share = 0;
};

/// Edges     0 log 0 = 0; share 0 for at most one key; weights need not sum to 1; negative weights are left out
inline spread_of_row spread_of(std::span<double const> weights) {
  double nats = 0;
  for (double const w : weights)
    if (!(w <= 0)) nats -= w * std::log(w);
  return {nats, weights.size() > 1 ? nats / std::log(static_cast<double>(weights.size())) : 0.0};
}

/// How entropy grows with length: the slope of H over log L. A slope of 1 means that a row of twice the length spreads
/// over twice as many keys, as lemma 1 forces on softmax in the end; 0 that it attends to as many keys as before.
///
/// Errors    as fit_line; value_error: a length that is not positive
inline line entropy_growth(std::span<double const> lengths, std::span<double const> nats) {
  std::vector<double> logs;
  for (double const l : lengths) {
    if (!(l > 0)) throw value_error(message("basin::theory::entropy_growth: a length is ", l, "; it must be positive"));
    logs.push_back(std::log(l));
  }
  return fit_line(logs, nats);
}

enum class capacity { free, saturated };

/// When a head counts as saturated. The paper says "rising entropy" and "N_s / N dropping to 70-80 %".
struct saturation_rule {
  double least_share = 0.8;                                      // of N_s / N
  double most_growth = 0.5;                                      // of entropy over log L; ours, the paper gives none

  /// A NaN (a value that could not be measured) is ignored.
  capacity judge(double told_apart_share, double growth = std::numeric_limits<double>::quiet_NaN()) const {
    return told_apart_share <= least_share || growth > most_growth ? capacity::saturated : capacity::free;
  }
  void validate() const {
    if (!(least_share >= 0 && least_share <= 1) || !std::isfinite(most_growth))
      throw value_error(message("basin::theory::saturation_rule: least_share ", least_share, ", most_growth ",
                                most_growth, "; the share must lie in [0, 1] and the growth be finite"));
  }
};

}  // namespace basin::theory
