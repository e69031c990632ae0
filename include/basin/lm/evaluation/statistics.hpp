// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Means with their errors. An undefined value (NaN) is left out, and the count says how many were there.

#include <cmath>
#include <span>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

namespace basin::lm {

/// A mean, its standard error and the number of values.
struct estimate {
  double mean = NAN, standard_error = NAN;
  index_t count = 0;
};

/// Mean and standard error of a stream of values, by Welford's recurrence.
class running_mean {
 public:
  void add(double value) {
    if (std::isnan(value)) return;
    ++n;
    double const off = value - mean;
    mean += off / static_cast<double>(n);
    squares += off * (value - mean);
  }
  estimate result() const {
    if (n == 0) return {NAN, NAN, 0};
    double const count = static_cast<double>(n);
    return {mean, n > 1 ? std::sqrt(squares / (count - 1) / count) : NAN, n};
  }

 private:
  index_t n = 0;
  double mean = 0, squares = 0;
};

inline estimate mean_of(std::span<double const> values) {
  running_mean all;
  for (double const v : values) all.add(v);
  return all.result();
}

/// Mean and error of a - b, item by item: what the items share cancels.
inline estimate paired_difference(std::span<double const> a, std::span<double const> b) {
  if (a.size() != b.size())
    throw shape_error{message("basin::lm::paired_difference: ", a.size(), " values against ", b.size(),
                              "; a pair needs one of each")};
  running_mean all;
  for (std::size_t i = 0; i < a.size(); ++i) all.add(a[i] - b[i]);
  return all.result();
}

/// The slope of the least-squares line through (x, y).
inline double slope_of(std::span<double const> x, std::span<double const> y) {
  double const mx = mean_of(x).mean, my = mean_of(y).mean;
  double xy = 0, xx = 0;
  for (std::size_t i = 0; i < x.size(); ++i) xy += (x[i] - mx) * (y[i] - my), xx += (x[i] - mx) * (x[i] - mx);
  return xy / xx;
}

}  // namespace basin::lm
