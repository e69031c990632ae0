// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Has a head run out of room? What section 6 of arXiv 2508.17821 tells a user to watch: the entropy of rows as they grow,
// and the share of selected tokens that can still be told apart.

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/theory/decay.hpp"

namespace basin::theory {

/// Entropy of a row in nats, and as a share of the log L it could have.
struct spread_of_row {
  double nats = 0, share = 0;
};

/// Edges     0 log 0 = 0; one key or none has share 0; weights that do not sum to 1 are taken as they are, negative ones left out
inline spread_of_row spread_of(std::span<double const> weights) {
  double nats = 0;
  for (double const w : weights)
    if (!(w <= 0)) nats -= w * std::log(w);
  return {nats, weights.size() > 1 ? nats / std::log(static_cast<double>(weights.size())) : 0.0};
}

/// How entropy grows with length: the slope of H over log L. 1: every doubling of the text spreads the row over twice as many
/// keys, as lemma 1 forces on softmax in the end. 0: the row attends to as many keys as before.
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

/// When a head counts as saturated. The paper's words are "rising entropy" and "N_s / N dropping to 70-80 %".
struct saturation_rule {
  double least_share = 0.8;                                      // of N_s / N
  double most_growth = 0.5;                                      // of entropy over log L; our number, the paper names none

  /// A NaN (a figure that could not be measured) says nothing.
  capacity judge(double told_apart_share, double growth = std::numeric_limits<double>::quiet_NaN()) const {
    return told_apart_share <= least_share || growth > most_growth ? capacity::saturated : capacity::free;
  }
  void validate() const {
    if (!(least_share >= 0 && least_share <= 1) || !std::isfinite(most_growth))
      throw value_error(message("basin::theory::saturation_rule: least_share ", least_share, ", most_growth ", most_growth,
                                "; the share must lie in [0, 1] and the growth be finite"));
  }
};

}  // namespace basin::theory
