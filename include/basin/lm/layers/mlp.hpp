// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include "basin/lm/layers/linear.hpp"
#include "basin/lm/views.hpp"
#include "basin/nn/device/gelu.hpp"
#include "basin/nn/device/swiglu.hpp"
#include "basin/nn/gelu.hpp"
#include "basin/nn/swiglu.hpp"

namespace basin::lm {

/// down(silu(gate x) up x), or down(GELU(up x)) with the exact GELU or its approximation by tanh.
enum class mlp_kind { swiglu, gelu, gelu_tanh };

struct mlp_config {
  mlp_kind kind = mlp_kind::swiglu;
  index_t hidden = 0;
  linear_bias bias = linear_bias::without;
};

/// The part of a block that works on every position alone.
///
/// Source    Shazeer 2020, eq. 6; Hendrycks & Gimpel 2016
/// Shapes    x, y [rows, dim]
/// Tensors   gate.weight (SwiGLU), up.weight [hidden, dim], down.weight [dim, hidden], and their biases
/// Errors    value_error: hidden < 1; shape_error; then nothing is written
template <class T, class Device>
class mlp {
 public:
  /// What backward() needs again beside x. backward() overwrites it.
  struct activations {
    buffer<T, Device> inner, hidden;  // [rows, hidden] or [rows, 2 hidden]; [rows, hidden]
  };
  struct workspace {
    buffer<T, Device> d_hidden;
  };

  mlp() = default;
  mlp(index_t dim, mlp_config const& c) : use(c) {
    if (c.hidden < 1) throw value_error(message("basin::lm::mlp: hidden is ", c.hidden, "; it must be at least 1"));
    if (is_gated()) into = linear<T, Device>(dim, {{"gate", c.hidden}, {"up", c.hidden}}, c.bias);
    else into = linear<T, Device>(dim, {{"up", c.hidden}}, c.bias);
    out = linear<T, Device>(c.hidden, {{"down", dim}}, c.bias, first_values::residual);
  }

  void forward(Device& on, nn::const_view<T, 2> x, view<T, 2> y, activations& kept,
               nn::update how = nn::update::replace) {
    index_t const rows = x.extent(0);
    auto const inner = kept.inner.take(rows, inner_columns()), hidden = kept.hidden.take(rows, use.hidden);
    into.forward(on, x, inner);
    if (is_gated())
      nn::swiglu_forward(on, columns_of(inner, 0, use.hidden), columns_of(inner, use.hidden, use.hidden), hidden);
    else nn::gelu_forward(on, form(), inner, hidden);
    out.forward(on, hidden, y, how);
  }
  /// Writes the gradient of x.
  void backward(Device& on, nn::const_view<T, 2> x, nn::const_view<T, 2> dy, view<T, 2> dx, activations& kept,
                workspace& work) {
    index_t const rows = x.extent(0);
    auto const inner = kept.inner.take(rows, inner_columns()), hidden = kept.hidden.take(rows, use.hidden);
    auto const d_hidden = work.d_hidden.take(rows, use.hidden);
    out.backward_weight(on, hidden, dy);
    out.backward_input(on, dy, d_hidden);
    if (is_gated()) {  // the activations make room for their gradients
      auto const gate = columns_of(inner, 0, use.hidden), up = columns_of(inner, use.hidden, use.hidden);
      nn::swiglu_backward(on, gate, up, d_hidden, gate, up);
    } else {
      nn::gelu_backward(on, form(), inner, d_hidden, inner);
    }
    into.backward_weight(on, x, inner);
    into.backward_input(on, inner, dx);
  }

  template <class F>
  void weights(std::string const& prefix, F const& f) {
    into.weights(prefix, f), out.weights(prefix, f);
  }

 private:
  bool is_gated() const { return use.kind == mlp_kind::swiglu; }
  index_t inner_columns() const { return is_gated() ? 2 * use.hidden : use.hidden; }
  nn::gelu_form form() const { return use.kind == mlp_kind::gelu ? nn::gelu_form::exact : nn::gelu_form::tanh; }

  mlp_config use;
  linear<T, Device> into, out;
};

}  // namespace basin::lm
