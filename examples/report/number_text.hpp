// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Numbers as text.

#include <cmath>
#include <cstdio>
#include <string>

#include "basin/lm/evaluation/statistics.hpp"

namespace basin::report {

/// "0.812 ± 0.024", or the same in per cent; "undefined" for NaN.
inline std::string text_of(lm::estimate const& e, int digits, double factor = 1) {
  if (std::isnan(e.mean)) return "undefined";
  char text[64];
  double const half = 0.5 * std::pow(10.0, -digits),
               mean = std::abs(factor * e.mean) < half ? 0.0 : factor * e.mean;  // never -0.0
  if (std::isnan(e.standard_error))
    std::snprintf(text, sizeof text, "%.*f", digits, mean);
  else
    std::snprintf(text, sizeof text, "%.*f ± %.*f", digits, mean, digits, factor * e.standard_error);
  return text;
}

/// The mean alone.
inline std::string text_of(double value, int digits, double factor = 1) {
  return text_of(lm::estimate{value, NAN, 1}, digits, factor);
}

/// A cell of a table: three significant digits; "-" for NaN.
inline std::string cell_of(double value) {
  if (std::isnan(value)) return "-";
  char text[32];
  double const size = std::abs(value);
  if (size >= 1000 || (size != 0 && size < 1e-3))
    std::snprintf(text, sizeof text, "%.2e", value);
  else
    std::snprintf(text, sizeof text, "%.*f", size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3, value);
  return text;
}

/// A cell of a table with fixed digits; "-" for NaN.
inline std::string cell_of(double value, int digits, double factor = 1) {
  return std::isnan(value) ? "-" : text_of(value, digits, factor);
}

}  // namespace basin::report
