// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "basin/lm/attention_layer.hpp"
#include "basin/lm/layers/mlp.hpp"
#include "basin/lm/layers/norm.hpp"
#include "basin/lm/model_sizes.hpp"

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

/// A pre-norm block: h += attention(norm(h)); h += mlp(norm(h)). Or a post-norm block: h = norm(h + attention(h));
/// h = norm(h + mlp(h)).
///
/// Layer     an attention_layer; Norm and Mlp: those of lm/layers/, or of your own with their members
/// Source    Xiong et al. 2020, figure 1
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
    buffer<T, Device> attention_rows, mlp_rows;  // what the norm makes; post-norm: what it reads
    typename Norm::activations of_attention, of_mlp;
    typename Layer::activations attention;
    typename Mlp::activations mlp;
  };
  struct workspace {
    buffer<T, Device> d_rows;
    typename Layer::workspace attention;
    typename Mlp::workspace mlp;
  };

  block(Norm of_attention, Layer layer, Norm of_mlp, Mlp positionwise, norm_order where = norm_order::pre)
      : order(where), attention_norm(std::move(of_attention)), attention(std::move(layer)),
        mlp_norm(std::move(of_mlp)), feed_forward(std::move(positionwise)) {}

  Layer& layer() { return attention; }
  Layer const& layer() const { return attention; }

  /// Writes stream.middle and stream.output, from stream.input.
  template <class Adapt>
  void forward(Device& on, index_t batch, activations& kept, int number, Adapt& adapt) {
    show_stream(on, number, kept.stream.input, adapt);
    add_attention(on, kept, [&](view<T, 2> from, view<T, 2> to) {
      attention.forward(on, from, to, batch, kept.attention, detail::adapt_layer<Adapt>{adapt, number},
                        nn::update::add);
    });
    add_mlp(on, kept);
  }
  template <class Adapt>
  void decode(Device& on, typename Layer::cache_type& cache, activations& scratch, int number, Adapt& adapt) {
    add_attention(on, scratch, [&](view<T, 2> from, view<T, 2> to) {
      attention.decode(on, from, to, cache, scratch.attention, detail::adapt_layer<Adapt>{adapt, number},
                       nn::update::add);
    });
    add_mlp(on, scratch);
  }
  /// Takes the gradient of stream.output to that of stream.input, in the same memory: the stream passes it on, and both
  /// parts add to it.
  template <class Adapt>
  void backward(Device& on, index_t batch, view<T, 2> dstream, activations& kept, workspace& work, int number,
                Adapt& adapt) {
    auto const& [input, middle, output] = kept.stream;
    auto const through_mlp = [&](view<T, 2> from, view<T, 2> dto, view<T, 2> dfrom) {
      feed_forward.backward(on, from, dto, dfrom, kept.mlp, work.mlp);
    };
    auto const through_attention = [&](view<T, 2> from, view<T, 2> dto, view<T, 2> dfrom) {
      attention.backward(on, from, dto, dfrom, batch, kept.attention, work.attention,
                         detail::adapt_layer<Adapt>{adapt, number});
    };
    backward_part(on, mlp_norm, kept.of_mlp, middle, mlp_rows(kept), dstream, work, through_mlp);
    backward_part(on, attention_norm, kept.of_attention, input, attention_rows(kept), dstream, work, through_attention);
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
    return a.attention_rows.take(a.stream.input.extent(0), a.stream.input.extent(1));
  }
  static view<T, 2> mlp_rows(activations& a) {
    return a.mlp_rows.take(a.stream.input.extent(0), a.stream.input.extent(1));
  }
  static std::span<T> numbers_of(view<T, 2> rows) {
    return {rows.data_handle(), static_cast<std::size_t>(rows.extent(0) * rows.extent(1))};
  }
  static void pass_on(Device& on, view<T, 2> from, view<T, 2> to) {
    if (from.data_handle() != to.data_handle()) nn::copy(on, std::span<T const>(numbers_of(from)), numbers_of(to));
  }

  template <class Attend>
  void add_attention(Device& on, activations& kept, Attend const& attend) {
    add_part(on, attention_norm, kept.of_attention, kept.stream.input, attention_rows(kept), kept.stream.middle,
             attend);
  }
  void add_mlp(Device& on, activations& kept) {
    add_part(on, mlp_norm, kept.of_mlp, kept.stream.middle, mlp_rows(kept), kept.stream.output,
             [&](view<T, 2> from, view<T, 2> to) { feed_forward.forward(on, from, to, kept.mlp, nn::update::add); });
  }
  /// One part of the block and its norm, from a state of the stream to the next; add(from, to) adds the part. `rows` is
  /// memory.
  template <class Add>
  void add_part(Device& on, Norm& by, typename Norm::activations& kept, view<T, 2> from, view<T, 2> rows, view<T, 2> to,
                Add const& add) {
    if (order == norm_order::pre) {
      by.forward(on, from, rows, kept);
      pass_on(on, from, to);
      add(rows, to);
    } else {
      pass_on(on, from, rows);
      add(from, rows);
      by.forward(on, rows, to, kept);
    }
  }
  /// Its gradient; backward(from, dto, dfrom) writes that of what the part reads.
  template <class Backward>
  void backward_part(Device& on, Norm& by, typename Norm::activations& kept, view<T, 2> from, view<T, 2> rows,
                     view<T, 2> dstream, workspace& work, Backward const& backward) {
    auto const drows = work.d_rows.take(dstream.extent(0), dstream.extent(1));
    if (order == norm_order::pre) {
      backward(rows, dstream, drows);
      by.backward(on, from, kept, drows, dstream);
    } else {
      nn::fill(on, numbers_of(drows), T(0));
      by.backward(on, rows, kept, dstream, drows);
      backward(from, drows, dstream);
      nn::add(on, std::span<T const>(numbers_of(drows)), numbers_of(dstream));
    }
  }
  template <class Adapt>
  static void show_stream(Device& on, int number, view<T const, 2> input, Adapt& adapt) {
    if constexpr (requires { adapt.reads(number, input); })
      show(on, [&](auto const& seen) { adapt.reads(number, seen); }, input);
  }

  norm_order order;
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
  norm_order order = norm_order::pre;
};

/// A block around an attention.
///
/// Errors    value_error: sizes that make no block
template <class T = float, class Device, class Attention>
auto make_block(Device& on, block_config const& c, Attention const& use) {
  using layer = attention_layer<Attention, T, Device>;
  index_t const dim = c.attention.dim;
  return block<layer>(norm<T, Device>(dim, c.norm), layer(on, c.attention, use), norm<T, Device>(dim, c.norm),
                      mlp<T, Device>(dim, c.mlp), c.order);
}

}  // namespace basin::lm
