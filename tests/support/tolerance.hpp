// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Every tolerance of the property and parity tests, with its derivation. Each is a bound from the standard model of floating
// point, fl(a op b) = (a op b)(1 + e), |e| <= eps; none is tuned.

#include <algorithm>
#include <cmath>
#include <limits>

namespace basin_test {

template <class T>
inline constexpr double eps_of = static_cast<double>(std::numeric_limits<T>::epsilon());

/// Two ways to the weights of one row of n scores of size <= magnitude (times `slope` = scale / temperature), both in T.
///
/// A score times slope, minus the maximum: off by 2 eps * slope * magnitude, which an exponential turns into a relative error
/// of the same size, twice (in the term and in the sum). Sums of n terms: n eps. exp, division, product: 8 eps. Weights are
/// at most 1. A threshold tau is a mean of n scores, its error that of the scores plus n eps.
template <class T>
double weight_tolerance(std::size_t n, double magnitude, double slope = 1) {
  return (4 * slope * magnitude + static_cast<double>(n) + 8) * eps_of<T>;
}

/// |sum of n weights - 1|: each weight off by a relative (n + 8) eps.
template <class T>
double mass_tolerance(std::size_t n) {
  return (static_cast<double>(n) + 8) * eps_of<T>;
}

}  // namespace basin_test
