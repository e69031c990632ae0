// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "basin/core/error.hpp"

namespace basin::lm {

/// Refuses numbers of a model that are not finite: everything computed from them would be NaN, or one arbitrary byte.
///
/// Throws    value_error that names `what`, such as "the logits"
template <class T>
void require_finite(std::span<T const> numbers, std::string_view what) {
  auto const bad = std::ranges::find_if_not(numbers, [](T x) { return std::isfinite(x); });
  if (bad == numbers.end()) return;
  throw value_error{message("basin: the model computed ", *bad, " in ", what,
                            "; all must be finite. Its weights are too large, or its training diverged: ",
                            "train it again with a smaller --learning-rate, or give another model")};
}

/// log sum_v exp(logit_v), in double.
///
/// Throws    value_error: a logit that is not finite
inline double log_sum_exp(std::span<float const> logits) {
  require_finite(logits, "the logits");
  double const most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float const x : logits) sum += std::exp(static_cast<double>(x) - most);
  return std::log(sum) + most;
}

}  // namespace basin::lm
