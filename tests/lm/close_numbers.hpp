// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Numbers of a model on a device against those on the host.

#include <algorithm>
#include <cmath>
#include <span>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace basin_test {

/// Sums of at most a few dozen terms in another order, through two layers of either pass: a few hundred eps of the
/// largest number.
inline void require_close(std::span<float const> a, std::span<float const> b) {
  REQUIRE(a.size() == b.size());
  float size = 0;
  for (float const x : a) size = std::max(size, std::abs(x));
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i, size);
    REQUIRE(static_cast<double>(std::abs(a[i] - b[i])) <= 500 * eps_of<float> * static_cast<double>(size));
  }
}

}  // namespace basin_test
