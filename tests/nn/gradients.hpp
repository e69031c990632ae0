// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Central differences in double, and the random arguments of the layer tests.

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "basin/core/random.hpp"
#include "support/catch.hpp"

namespace nn_test {

template <class T = double>
std::vector<T> random_values(std::uint64_t seed, std::size_t count, double scale = 1) {
  basin::philox rng(seed);
  std::vector<T> x(count);
  for (T& value : x) value = static_cast<T>(scale * basin::normal(rng));
  return x;
}

inline double dot(std::span<double const> a, std::span<double const> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Requires gradient = d loss / d x. The error of a central difference with step h is h^2 |f'''| / 6 + eps |f| / h; with h = 1e-5
/// and losses and derivatives of the order of `magnitude` that stays under 1e-9 magnitude. 1e-7 leaves room for f'''.
template <class Loss>
void require_gradient(std::span<double> x, std::span<double const> gradient, Loss loss, double magnitude = 10) {
  REQUIRE(x.size() == gradient.size());
  constexpr double h = 1e-5;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const kept = x[i];
    x[i] = kept + h;
    double const above = loss();
    x[i] = kept - h;
    double const below = loss();
    x[i] = kept;
    CAPTURE(i, gradient[i]);
    REQUIRE(std::abs((above - below) / (2 * h) - gradient[i]) <= 1e-7 * magnitude);
  }
}

}  // namespace nn_test
