// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// 16-bit numbers for tests: the values in the storage type that an engine reads, and in double.

#include <type_traits>
#include <vector>

#include "basin/core/half.hpp"
#include "support/tensors.hpp"

namespace basin_test {

/// Half the distance from 1 to the next number of a storage type; 0 for float, whose values engines do not round
/// further.
template <class S>
constexpr double half_step() {
  return std::is_same_v<S, float> ? 0.0 : std::is_same_v<S, basin::bfloat16> ? 0x1p-8 : 0x1p-11;
}

/// The numbers of a tensor rounded to S, dense; the tensor is set to the rounded values.
template <class S>
std::vector<S> rounded(tensor<double>& t) {
  std::vector<S> all;
  t.each([&](double& x, auto...) {
    all.push_back(S(static_cast<float>(x)));
    x = static_cast<double>(static_cast<float>(all.back()));
  });
  return all;
}

}  // namespace basin_test
