// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Figures in words.

#include <cmath>
#include <cstdio>
#include <string>

#include "report/statistics.hpp"

namespace basin::report {

/// One result in words: what it is, and its numbers.
struct finding {
  std::string headline, detail;
};

/// "0.812 ± 0.024", or the same in per cent.
inline std::string text_of(estimate const& e, int digits, double factor = 1) {
  if (std::isnan(e.mean)) return "undefined";
  char text[64];
  double const half = 0.5 * std::pow(10.0, -digits),
               mean = std::abs(factor * e.mean) < half ? 0.0 : factor * e.mean;  // never -0.0
  if (std::isnan(e.error)) std::snprintf(text, sizeof text, "%.*f", digits, mean);
  else std::snprintf(text, sizeof text, "%.*f ± %.*f", digits, mean, digits, factor * e.error);
  return text;
}

}  // namespace basin::report
