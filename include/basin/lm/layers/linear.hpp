// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include "basin/lm/weight.hpp"
#include "basin/nn/bias.hpp"
#include "basin/nn/device/bias.hpp"
#include "basin/nn/device/linear.hpp"
#include "basin/nn/linear.hpp"

namespace basin::lm {

/// Whether linear maps add a vector to their results.
enum class linear_bias { without, with };

/// Some outputs of a linear layer, which are a tensor of their own: query, with 64 numbers.
struct linear_part {
  std::string name;
  index_t outputs;
};

/// y = x W^T (+ b), with the rows of W in named parts.
///
/// Shapes    x [rows, inputs], y [rows, outputs of all parts]
/// Tensors   NAME.weight [outputs, inputs], NAME.bias [outputs] of every part, weights first
/// Errors    shape_error; then nothing is written
template <class T, class Device>
class linear {
 public:
  linear() = default;
  linear(index_t inputs, std::vector<linear_part> const& parts, linear_bias has_bias = linear_bias::without,
         first_values start = first_values::normal) {
    std::vector<tensor_part> matrices, vectors;
    for (auto const& [name, outputs] : parts) {
      matrices.push_back({name + ".weight", {outputs, inputs}, start});
      vectors.push_back({name + ".bias", {outputs}, first_values::zeros});
    }
    matrix = weight<T, Device>(matrices);
    if (has_bias == linear_bias::with) bias = weight<T, Device>(vectors);
  }

  bool is_empty() const { return matrix.is_empty(); }

  void forward(Device& on, nn::const_view<T, 2> x, view<T, 2> y, nn::update how = nn::update::replace) {
    nn::linear_forward(on, x, matrix.matrix(), y, how);
    if (!bias.is_empty()) nn::add_bias(on, bias.values(), y);
  }
  void backward_input(Device& on, nn::const_view<T, 2> dy, view<T, 2> dx, nn::update how = nn::update::replace) {
    nn::linear_backward_input(on, dy, matrix.matrix(), dx, how);
  }
  void backward_weight(Device& on, nn::const_view<T, 2> x, nn::const_view<T, 2> dy) {
    nn::linear_backward_weight(on, x, dy, matrix.matrix_gradient());
    if (!bias.is_empty()) nn::bias_backward(on, dy, bias.gradient());
  }

  template <class F>
  void weights(std::string const& prefix, F const& f) {
    if (!matrix.is_empty()) f(prefix, matrix);
    if (!bias.is_empty()) f(prefix, bias);
  }

 private:
  weight<T, Device> matrix, bias;
};

}  // namespace basin::lm
