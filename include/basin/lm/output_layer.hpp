// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include "basin/lm/layers/linear.hpp"
#include "basin/lm/layers/norm.hpp"
#include "basin/lm/model_sizes.hpp"
#include "basin/nn/device/gelu.hpp"
#include "basin/nn/gelu.hpp"

namespace basin::lm {

/// The logits of every position: W t(x) + b, where W is a matrix of its own or the embedding table, b is optional, and
/// t(x) is x, or norm(GELU(V x + c)) as in BERT's masked language model head.
///
/// Source    Devlin et al. 2019, section 3.1
/// Shapes    x [rows, dim], logits [rows, vocabulary], table [vocabulary, dim]
/// Tensors   head_transform.weight [dim, dim], .bias [dim], head_norm.*; head.weight [vocabulary, dim] unless it is
///           tied; head.bias [vocabulary]
/// Errors    shape_error; then nothing is written
template <class T, class Device>
class output_layer {
 public:
  /// What backward() needs again beside x. backward() overwrites it.
  struct activations {
    buffer<T, Device> dense, raised, transformed;  // [rows, dim] each
    typename norm<T, Device>::activations of_norm;
  };
  struct workspace {
    buffer<T, Device> d_transformed, d_raised;
  };

  output_layer() = default;
  explicit output_layer(model_sizes const& c) {
    index_t const dim = c.dim;
    if (c.transform == head_transform::dense) {
      transform = linear<T, Device>(dim, {{"head_transform", dim}}, linear_bias::with);
      transform_norm = norm<T, Device>(dim, c.norm);
    }
    if (c.head == output_head::untied) own = linear<T, Device>(dim, {{"head", c.vocabulary}});
    if (c.head_bias == linear_bias::with)
      bias = weight<T, Device>({{"head.bias", {c.vocabulary}, first_values::zeros}});
  }

  void forward(Device& on, nn::const_view<T, 2> x, view<T, 2> table, view<T, 2> logits, activations& kept) {
    auto const from = transform.is_empty() ? x : transformed(on, x, kept);
    if (own.is_empty()) nn::linear_forward(on, from, nn::const_view<T, 2>(table), logits);
    else own.forward(on, from, logits);
    if (!bias.is_empty()) nn::add_bias(on, bias.values(), logits);
  }
  /// Writes the gradient of x, and adds that of a table that is tied.
  void backward(Device& on, nn::const_view<T, 2> x, nn::const_view<T, 2> dlogits, weight<T, Device>& table,
                view<T, 2> dx, activations& kept, workspace& work) {
    index_t const rows = x.extent(0), dim = x.extent(1);
    bool const direct = transform.is_empty();
    auto const from = direct ? x : nn::const_view<T, 2>(kept.transformed.take(rows, dim));
    auto const dfrom = direct ? dx : work.d_transformed.take(rows, dim);
    if (own.is_empty()) {
      nn::linear_backward_weight(on, from, dlogits, table.matrix_gradient());
      nn::linear_backward_input(on, dlogits, nn::const_view<T, 2>(table.matrix()), dfrom);
    } else {
      own.backward_weight(on, from, dlogits);
      own.backward_input(on, dlogits, dfrom);
    }
    if (!bias.is_empty()) nn::bias_backward(on, dlogits, bias.gradient());
    if (!direct) backward_transform(on, x, dfrom, dx, kept, work);
  }

  template <class F>
  void weights(std::string const& prefix, F const& f) {
    if (!transform.is_empty()) {
      transform.weights(prefix, f);
      transform_norm.weights(prefix + "head_norm.", f);
    }
    own.weights(prefix, f);
    if (!bias.is_empty()) f(prefix, bias);
  }

 private:
  static constexpr auto form = nn::gelu_form::exact;

  nn::const_view<T, 2> transformed(Device& on, nn::const_view<T, 2> x, activations& kept) {
    index_t const rows = x.extent(0), dim = x.extent(1);
    auto const dense = kept.dense.take(rows, dim), raised = kept.raised.take(rows, dim),
               made = kept.transformed.take(rows, dim);
    transform.forward(on, x, dense);
    nn::gelu_forward(on, form, nn::const_view<T, 2>(dense), raised);
    transform_norm.forward(on, raised, made, kept.of_norm);
    return made;
  }
  void backward_transform(Device& on, nn::const_view<T, 2> x, nn::const_view<T, 2> dmade, view<T, 2> dx,
                          activations& kept, workspace& work) {
    index_t const rows = x.extent(0), dim = x.extent(1);
    auto const dense = kept.dense.take(rows, dim), draised = work.d_raised.take(rows, dim);
    nn::fill(on, work.d_raised.vector(rows * dim), T(0));  // a norm adds to the gradient of its input
    transform_norm.backward(on, kept.raised.take(rows, dim), kept.of_norm, dmade, draised);
    nn::gelu_backward(on, form, nn::const_view<T, 2>(dense), nn::const_view<T, 2>(draised), dense);
    transform.backward_weight(on, x, dense);
    transform.backward_input(on, dense, dx);
  }

  linear<T, Device> transform, own;
  norm<T, Device> transform_norm;
  weight<T, Device> bias;
};

}  // namespace basin::lm
