// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "basin/core/view.hpp"

namespace basin::nn {

/// A learned tensor with a name and a gradient. Both spans are contiguous and row-major; the model owns their memory.
template <class T>
struct parameter {
  std::string name;
  std::vector<index_t> shape;
  std::span<T> values, gradient;
};

/// Sets gradients to 0. They accumulate over backward passes, so call this between steps. Any range of parameter<T>.
template <class Parameters>
void clear_gradients(Parameters const& parameters) {
  for (auto const& p : parameters) std::fill(p.gradient.begin(), p.gradient.end(), 0);
}

template <class Parameters>
index_t parameter_count(Parameters const& parameters) {
  index_t count = 0;
  for (auto const& p : parameters) count += std::ssize(p.values);
  return count;
}

/// Copies the values of the parameters of one model to another of the same shape.
template <class Parameters>
void copy_values(Parameters const& from, Parameters const& to) {
  for (std::size_t n = 0; n < to.size(); ++n)
    std::copy(from[n].values.begin(), from[n].values.end(), to[n].values.begin());
}

}  // namespace basin::nn
