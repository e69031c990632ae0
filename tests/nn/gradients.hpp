// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Finite differences in double, and random arguments for the tests of layers.

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

/// d loss / d x by differences of fourth order. The error is h^4 |f^(5)| / 30 + 1.5 eps |f| / h; at h = 5e-5 it is
/// 2e-19 |f^(5)| + 7e-12 |f|. A tolerance of 1e-10 per unit of the loss allows a fifth derivative of 1e8.
template <class Loss>
double finite_difference(double& x, Loss&& loss) {
  constexpr double h = 5e-5;
  double const kept = x;
  auto const at = [&](double shift) {
    x = kept + shift;
    return loss();
  };
  double const near = at(h) - at(-h), far = at(2 * h) - at(-2 * h);
  x = kept;
  return (8 * near - far) / (12 * h);
}

/// Requires gradient = d loss / d x for every element. `magnitude` is that of the loss.
template <class Loss>
void require_gradient(std::span<double> x, std::span<double const> gradient, Loss loss, double magnitude = 100) {
  REQUIRE(x.size() == gradient.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(i, gradient[i]);
    REQUIRE(std::abs(finite_difference(x[i], loss) - gradient[i]) <= 1e-10 * magnitude);
  }
}

}  // namespace nn_test
