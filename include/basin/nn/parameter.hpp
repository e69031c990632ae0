// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "basin/core/view.hpp"

namespace basin::nn {

/// A named tensor that is learned, with its gradient; both spans are contiguous, row-major, and belong to the model.
template <class T>
struct parameter {
  std::string name;
  std::vector<index> shape;
  std::span<T> values, gradient;
};

/// Gradients accumulate over backward passes; call this between steps. Parameters: any range of parameter<T>.
template <class Parameters>
void clear_gradients(Parameters const& parameters) {
  for (auto const& p : parameters) std::fill(p.gradient.begin(), p.gradient.end(), 0);
}

template <class Parameters>
index parameter_count(Parameters const& parameters) {
  index count = 0;
  for (auto const& p : parameters) count += std::ssize(p.values);
  return count;
}

}  // namespace basin::nn
