// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The power of the length with which a measured quantity falls: straight lines, with their errors.

#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"

namespace basin::theory {

/// y ~ intercept + slope x. `error` is the standard error of the slope, from the scatter around the line (points - 2
/// degrees of freedom; 0 for two points).
struct line {
  double slope = 0, intercept = 0, error = 0;
};

/// Least squares.
///
/// Errors    shape_error: numbers of x and y differ, fewer than two points; value_error: all x equal, a value that is
///           not finite
inline line fit_line(std::span<double const> x, std::span<double const> y) {
  if (x.size() != y.size() || x.size() < 2)
    throw shape_error(message("basin::theory::fit_line: ", x.size(), " x and ", y.size(),
                              " y; the numbers must be equal and at least 2"));
  double const n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mean_x += x[i] / n, mean_y += y[i] / n;
  double xx = 0, xy = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx, xy += dx * dy, yy += dy * dy;
  }
  if (!(xx > 0) || !std::isfinite(xx + yy))
    throw value_error(message("basin::theory::fit_line: the squared deviations are ", xx, " of x and ", yy,
                              " of y; a slope needs finite numbers and two different x"));
  double const slope = xy / xx, rest = std::fmax(0.0, yy - slope * xy);
  return {slope, mean_y - slope * mean_x, n > 2 ? std::sqrt(rest / (n - 2) / xx) : 0.0};
}

/// y ~ exp(intercept) x^slope: a line through the logarithms.
///
/// Errors    as fit_line; value_error: a number that is not positive
inline line fit_power_law(std::span<double const> x, std::span<double const> y) {
  std::vector<double> log_x, log_y;
  for (auto const& [from, to] : {std::pair{x, &log_x}, std::pair{y, &log_y}})
    for (double const v : from) {
      if (!(v > 0))
        throw value_error(message("basin::theory::fit_power_law: a number is ", v, "; all must be positive"));
      to->push_back(std::log(v));
    }
  return fit_line(log_x, log_y);
}

}  // namespace basin::theory
