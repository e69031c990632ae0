// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>

#include "basin/lm/views.hpp"
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

/// Whether the parts of a linear layer are one matrix product, which is faster, or one each.
enum class linear_products { fused, separate };

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
         first_values start = first_values::normal, linear_products products = linear_products::fused) {
    std::vector<tensor_part> matrices, vectors;
    for (auto const& [name, outputs] : parts) {
      if (products == linear_products::separate || rows_of_products.empty()) rows_of_products.push_back(0);
      rows_of_products.back() += outputs;
      matrices.push_back({name + ".weight", {outputs, inputs}, start});
      vectors.push_back({name + ".bias", {outputs}, first_values::zeros});
    }
    matrix = weight<T, Device>(matrices);
    if (has_bias == linear_bias::with) bias = weight<T, Device>(vectors);
  }

  bool is_empty() const { return matrix.is_empty(); }

  void forward(Device& on, nn::const_view<T, 2> x, view<T, 2> y, nn::update how = nn::update::replace) {
    for_each_product([&](index_t first, index_t count) {
      nn::linear_forward(on, x, rows_of(matrix.matrix(), first, count), columns_of(y, first, count), how);
    });
    if (!bias.is_empty()) nn::add_bias(on, bias.values(), y);
  }
  void backward_input(Device& on, nn::const_view<T, 2> dy, view<T, 2> dx, nn::update how = nn::update::replace) {
    for_each_product([&](index_t first, index_t count) {
      nn::linear_backward_input(on, columns_of(dy, first, count), rows_of(matrix.matrix(), first, count), dx,
                                first == 0 ? how : nn::update::add);
    });
  }
  void backward_weight(Device& on, nn::const_view<T, 2> x, nn::const_view<T, 2> dy) {
    for_each_product([&](index_t first, index_t count) {
      nn::linear_backward_weight(on, x, columns_of(dy, first, count), rows_of(matrix.matrix_gradient(), first, count));
    });
    if (!bias.is_empty()) nn::bias_backward(on, dy, bias.gradient());
  }

  template <class F>
  void weights(std::string const& prefix, F const& f) {
    if (!matrix.is_empty()) f(prefix, matrix);
    if (!bias.is_empty()) f(prefix, bias);
  }

 private:
  /// f(first row, rows) for every product.
  template <class F>
  void for_each_product(F const& f) const {
    index_t first = 0;
    for (index_t const count : rows_of_products) f(first, count), first += count;
  }

  std::vector<index_t> rows_of_products;
  weight<T, Device> matrix, bias;
};

}  // namespace basin::lm
