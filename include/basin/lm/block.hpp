// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "basin/lm/attention_layer.hpp"
#include "basin/lm/layers/mlp.hpp"
#include "basin/lm/layers/norm.hpp"

namespace basin::lm {

/// The default of the Adapt arguments below: every layer uses the attention that it has.
struct unchanged {
  template <class Attention>
  Attention operator()(int, Attention use) const {
    return use;
  }
};

namespace detail {

/// What an Adapt of a whole model is to one layer.
template <class Adapt>
struct adapt_layer {
  Adapt& all;
  int layer;

  template <class Attention>
  auto operator()(Attention const& use) const {
    return all(layer, use);
  }
  template <class... Views>
    requires requires(Adapt& a, int l, Views const&... views) { a.projected(l, views...); }
  void projected(Views const&... views) const {
    all.projected(layer, views...);
  }
};

}  // namespace detail

/// The residual stream of a block: before attention, between attention and MLP, and after. Where nothing is kept for a
/// backward pass the three are one buffer.
template <class T>
struct stream_views {
  view<T, 2> input, middle, output;  // [rows, dim]
};

/// A pre-norm block: h += attention(norm(h)); h += mlp(norm(h)).
///
/// Layer     an attention_layer; Norm and Mlp: those of lm/layers/, or of your own with their members
/// Source    Xiong et al. 2020, figure 1b
/// Tensors   attention_norm.*, attention.*, mlp_norm.*, mlp.*, in this order
/// Errors    those of its layers
template <class Layer, class Norm = norm<typename Layer::value_type, typename Layer::device_type>,
          class Mlp = mlp<typename Layer::value_type, typename Layer::device_type>>
class block {
 public:
  using layer_type = Layer;
  using attention_type = typename Layer::attention_type;
  using value_type = typename Layer::value_type;
  using device_type = typename Layer::device_type;
  using T = value_type;
  using Device = device_type;

  struct activations {
    stream_views<T> stream;
    buffer<T, Device> attention_normed, mlp_normed;
    typename Norm::activations before_attention, before_mlp;
    typename Layer::activations attention;
    typename Mlp::activations mlp;
  };
  struct workspace {
    buffer<T, Device> d_normed;
    typename Layer::workspace attention;
    typename Mlp::workspace mlp;
  };

  block(Norm before_attention, Layer layer, Norm before_mlp, Mlp positionwise)
      : attention_norm(std::move(before_attention)), attention(std::move(layer)), mlp_norm(std::move(before_mlp)),
        feed_forward(std::move(positionwise)) {}

  Layer& layer() { return attention; }
  Layer const& layer() const { return attention; }

  /// Writes stream.middle and stream.output, from stream.input.
  template <class Adapt>
  void forward(Device& on, index_t batch, activations& kept, int number, Adapt& adapt) {
    auto const& [input, middle, output] = kept.stream;
    show_stream(on, number, input, adapt);
    attention_norm.forward(on, input, attention_rows(kept), kept.before_attention);
    pass_on(on, input, middle);
    attention.forward(on, attention_rows(kept), middle, batch, kept.attention,
                      detail::adapt_layer<Adapt>{adapt, number}, nn::update::add);
    add_mlp(on, kept);
  }
  template <class Adapt>
  void decode(Device& on, typename Layer::cache_type& cache, activations& scratch, int number, Adapt& adapt) {
    auto const& [input, middle, output] = scratch.stream;
    attention_norm.forward(on, input, attention_rows(scratch), scratch.before_attention);
    pass_on(on, input, middle);
    attention.decode(on, attention_rows(scratch), middle, cache, scratch.attention,
                     detail::adapt_layer<Adapt>{adapt, number}, nn::update::add);
    add_mlp(on, scratch);
  }
  /// Takes the gradient of stream.output to that of stream.input, in the same memory: the stream passes it on, and both
  /// parts add to it.
  template <class Adapt>
  void backward(Device& on, index_t batch, view<T, 2> dstream, activations& kept, workspace& work, int number,
                Adapt& adapt) {
    auto const& [input, middle, output] = kept.stream;
    auto const dnormed = work.d_normed.take(dstream.extent(0), dstream.extent(1));
    feed_forward.backward(on, mlp_rows(kept), dstream, dnormed, kept.mlp, work.mlp);
    mlp_norm.backward(on, middle, kept.before_mlp, dnormed, dstream);
    attention.backward(on, attention_rows(kept), dstream, dnormed, batch, kept.attention, work.attention,
                       detail::adapt_layer<Adapt>{adapt, number});
    attention_norm.backward(on, input, kept.before_attention, dnormed, dstream);
  }

  template <class F>
  void weights(std::string const& prefix, F const& f) {
    attention_norm.weights(prefix + "attention_norm.", f);
    attention.weights(prefix + "attention.", f);
    mlp_norm.weights(prefix + "mlp_norm.", f);
    feed_forward.weights(prefix + "mlp.", f);
  }

 private:
  static view<T, 2> attention_rows(activations& a) {
    return a.attention_normed.take(a.stream.input.extent(0), a.stream.input.extent(1));
  }
  static view<T, 2> mlp_rows(activations& a) {
    return a.mlp_normed.take(a.stream.input.extent(0), a.stream.input.extent(1));
  }
  static void pass_on(Device& on, view<T, 2> from, view<T, 2> to) {
    if (from.data_handle() == to.data_handle()) return;
    auto const all = static_cast<std::size_t>(from.extent(0) * from.extent(1));
    nn::copy(on, std::span<T const>(from.data_handle(), all), std::span<T>(to.data_handle(), all));
  }
  void add_mlp(Device& on, activations& kept) {
    auto const& [input, middle, output] = kept.stream;
    mlp_norm.forward(on, middle, mlp_rows(kept), kept.before_mlp);
    pass_on(on, middle, output);
    feed_forward.forward(on, mlp_rows(kept), output, kept.mlp, nn::update::add);
  }
  template <class Adapt>
  static void show_stream(Device& on, int number, view<T const, 2> input, Adapt& adapt) {
    if constexpr (requires { adapt.reads(number, input); })
      show(on, [&](auto const& seen) { adapt.reads(number, seen); }, input);
  }

  Norm attention_norm;
  Layer attention;
  Norm mlp_norm;
  Mlp feed_forward;
};

/// What the blocks of a model have in common.
struct block_config {
  attention_config attention;
  norm_config norm{};
  mlp_config mlp{};
};

/// A block around an attention.
///
/// Errors    value_error: sizes that make no block
template <class T = float, class Device, class Attention>
auto make_block(Device& on, block_config const& c, Attention const& use) {
  using layer = attention_layer<Attention, T, Device>;
  index_t const dim = c.attention.dim;
  return block<layer>(norm<T, Device>(dim, c.norm), layer(on, c.attention, use), norm<T, Device>(dim, c.norm),
                      mlp<T, Device>(dim, c.mlp));
}

}  // namespace basin::lm
