// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <span>
#include <string>
#include <vector>

#include "basin/lm/layers/norm.hpp"
#include "basin/lm/model_sizes.hpp"
#include "basin/lm/weight.hpp"
#include "basin/nn/copy.hpp"
#include "basin/nn/device/copy.hpp"
#include "basin/nn/device/embedding.hpp"
#include "basin/nn/embedding.hpp"

namespace basin::lm {

/// The residual stream before the first block: the embedding of each token, plus a learned vector of its position, then
/// a norm; the last two are optional.
///
/// Shapes    tokens [rows], in sequences of `length`; stream [rows, dim]
/// Tensors   embedding.weight [vocabulary, dim]; positions.weight [context, dim] with learned positions;
///           embedding_norm.* with post-norm blocks
/// Errors    shape_error; then nothing is written
template <class T, class Device>
class input_layer {
 public:
  /// What backward() needs again beside the tokens.
  struct activations {
    buffer<T, Device> sum, position_rows;  // [rows, dim]
    typename norm<T, Device>::activations of_norm;
    sent<int, Device> ids, position_ids;
    std::vector<int> positions;
  };
  struct workspace {
    buffer<T, Device> d_sum;
  };

  input_layer() = default;
  explicit input_layer(model_sizes const& c) : embedding({{"embedding.weight", {c.vocabulary, c.dim}}}) {
    if (c.positions == position_table::learned)
      position_rows = weight<T, Device>({{"positions.weight", {c.context, c.dim}}});
    if (c.order == norm_order::post) embedding_norm = norm<T, Device>(c.dim, c.norm);
  }

  /// The embedding table, which the head may share. // [vocabulary, dim]
  weight<T, Device>& table() { return embedding; }

  /// Positions of every sequence begin with `first`.
  void forward(Device& on, std::span<int const> tokens, index_t length, index_t first, view<T, 2> stream,
               activations& kept) {
    index_t const rows = stream.extent(0), dim = stream.extent(1);
    auto const sum = embedding_norm.is_empty() ? stream : kept.sum.take(rows, dim);
    nn::embedding_forward(on, kept.ids.put(on, tokens), embedding.matrix(), sum);
    if (!position_rows.is_empty()) {
      auto const of_positions = kept.position_rows.take(rows, dim);
      nn::embedding_forward(on, positions_of(on, rows, length, first, kept), position_rows.matrix(), of_positions);
      nn::add(on, numbers_of<T const>(of_positions), numbers_of<T>(sum));
    }
    if (!embedding_norm.is_empty()) embedding_norm.forward(on, sum, stream, kept.of_norm);
  }
  /// Adds the gradients of the tensors.
  void backward(Device& on, std::span<int const> tokens, index_t length, view<T, 2> dstream, activations& kept,
                workspace& work) {
    index_t const rows = dstream.extent(0), dim = dstream.extent(1);
    auto dsum = dstream;
    if (!embedding_norm.is_empty()) {
      dsum = work.d_sum.take(rows, dim);
      nn::fill(on, numbers_of<T>(dsum), T(0));  // a norm adds to the gradient of its input
      embedding_norm.backward(on, kept.sum.take(rows, dim), kept.of_norm, dstream, dsum);
    }
    nn::embedding_backward(on, kept.ids.put(on, tokens), dsum, embedding.matrix_gradient());
    if (!position_rows.is_empty())
      nn::embedding_backward(on, positions_of(on, rows, length, 0, kept), dsum, position_rows.matrix_gradient());
  }

  template <class F>
  void weights(std::string const& prefix, F const& f) {
    f(prefix, embedding);
    if (!position_rows.is_empty()) f(prefix, position_rows);
    embedding_norm.weights(prefix + "embedding_norm.", f);
  }

 private:
  template <class To>
  static std::span<To> numbers_of(view<T, 2> rows) {
    return {rows.data_handle(), static_cast<std::size_t>(rows.extent(0) * rows.extent(1))};
  }
  /// The ids of positions first, first + 1, ... of every sequence, where the device has them.
  static std::span<int const> positions_of(Device& on, index_t rows, index_t length, index_t first, activations& kept) {
    kept.positions.resize(static_cast<std::size_t>(rows));
    for (index_t i = 0; i < rows; ++i)
      kept.positions[static_cast<std::size_t>(i)] = static_cast<int>(first + i % length);
    return kept.position_ids.put(on, kept.positions);
  }

  weight<T, Device> embedding, position_rows;
  norm<T, Device> embedding_norm;
};

}  // namespace basin::lm
