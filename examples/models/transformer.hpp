// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One transformer for autoregressive and diffusion language models: pre-norm RMSNorm, rotary positions, SwiGLU, no biases. What
// makes it one or the other is its attention type (causal or not) and the objective it is trained with (models/objectives.hpp).

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "basin/attention.hpp"
#include "basin/cpu/backward.hpp"
#include "basin/cpu/decode.hpp"
#include "basin/cpu/forward.hpp"
#include "basin/nn/embedding.hpp"
#include "basin/nn/linear.hpp"
#include "basin/nn/rms_norm.hpp"
#include "basin/nn/rope.hpp"
#include "basin/nn/swiglu.hpp"
#include "models/detail/transformer_activations.hpp"
#include "models/detail/transformer_tensors.hpp"
#include "models/key_value_cache.hpp"
#include "models/transformer_config.hpp"

namespace basin::models {

/// The default for the Adapt arguments below: every layer uses the attention of the model.
struct unchanged {
  template <class Attention>
  Attention operator()(int, Attention use) const {
    return use;
  }
};

using parameter = nn::parameter<float>;

/// A language model: tokens in, logits out.
///
///   h = embedding[token];  h += output(attention(rope(q), rope(k), v)), q k v from norm(h);  h += down(silu(gate) up), both
///   from norm(h), in every layer;  logits = head(norm(h))
///
/// Adapt     a callable (int layer, Attention use) that returns the attention of that layer, with another pruner or observer
///           for instance. If it has a member projected(int layer, view<T const, 4> q, view<T const, 4> k), that is shown the
///           rotated queries and keys, [batch, heads, length, head_dim]; with a fourth argument, the values as well. A member
///           reads(int layer, view<T const, 2> stream) is shown what the layer reads, [batch * length, dim], before that.
/// Shapes    tokens [batch, length]; logits [batch * length, vocabulary], valid until the next call of a member
/// Errors    value_error for a configuration that makes no transformer and for tokens outside the vocabulary, shape_error for
///           lengths that do not fit; nothing is changed then
/// Determinism  run_to_run, for any number of threads
template <class Attention, class T = float>
class transformer {
 public:
  using value_type = T;
  using cache_type = basic_key_value_cache<T>;

  explicit transformer(transformer_config const& c, std::uint64_t seed = 0, Attention use = {});
  transformer(transformer&&) = default;
  transformer& operator=(transformer&&) = default;

  transformer_config const& config() const { return sizes; }
  std::span<nn::parameter<T>> parameters() { return named; }

  /// Logits of whole sequences.
  template <class Adapt = unchanged>
  std::span<T const> forward(std::span<int const> tokens, int batch, int length, Adapt adapt = {},
                             activations keep = activations::discard);

  /// Adds the gradients of the last forward, which must have kept its activations and is used up by this; with the same adapt.
  template <class Adapt = unchanged>
  void backward(std::span<T const> dlogits, Adapt adapt = {});

  /// Logits of tokens that follow those in the cache, of one sequence; joins them to the cache.
  template <class Adapt = unchanged>
  std::span<T const> extend(cache_type& cache, std::span<int const> tokens, Adapt adapt = {});

 private:
  using layer = detail::layer_activations<T>;
  enum gradient_of { d_stream, d_normed, d_qkv, d_attended, d_hidden, gradient_buffers };

  void require_input(std::span<int const> tokens, int batch, int length) const;
  void project(layer const& a, int l, index batch, index first);
  template <class Adapt>
  void attend(layer const& a, int l, index batch, Adapt& adapt);
  template <class Adapt>
  void attend_cached(layer const& a, int l, cache_type& cache, Adapt& adapt);
  void mix_down(layer const& a, int l);
  std::span<T const> make_logits(view<T, 2> stream);
  void backward_head(view<T const, 2> dlogits, view<T const, 2> stream);
  void backward_mlp(layer const& a, int l);
  template <class Adapt>
  void backward_attention(layer const& a, int l, Adapt& adapt);

  view<T, 4> heads(view<T, 2> rows, index batch, index first, index count) const {
    return detail::heads_of(rows, batch, first, count, sizes.head_dim());
  }
  view<T, 2> gradient_rows(gradient_of which, index rows, index columns) { return gradient_memory[which].take(rows, columns); }

  transformer_config sizes;
  Attention use;
  detail::storage<T> values, gradients;
  detail::transformer_tensors<T> weight, dweight;
  std::vector<nn::parameter<T>> named;
  nn::rope_table<T> rope;

  detail::activation_store<T> store;
  detail::buffer<T> final_normed, final_inverse_rms, logit_memory;
  std::vector<detail::buffer<T>> gradient_memory{gradient_buffers};
  std::vector<layer> kept;  // of the last forward, if it kept them
  std::vector<int> kept_tokens;
  index kept_batch = 0;
};

template <class Attention, class T>
transformer<Attention, T>::transformer(transformer_config const& c, std::uint64_t seed, Attention attend_with)
    : sizes((validate(c), c)),
      use(attend_with),
      values(static_cast<std::size_t>(detail::value_count(c))),
      gradients(values.size()),
      weight(c, values.data()),
      dweight(c, gradients.data()),
      named(detail::named_parameters<T>(c, values, gradients)),
      rope(c.context, c.head_dim(), c.rope_base) {
  detail::initialise<T>(c, seed, values);
}

template <class Attention, class T>
void transformer<Attention, T>::require_input(std::span<int const> tokens, int batch, int length) const {
  if (batch < 1 || length < 1 || std::ssize(tokens) != index{batch} * length)
    throw shape_error(message("basin::models::transformer: ", tokens.size(), " tokens for a batch of ", batch, " x ", length,
                              "; give batch * length of them, at least one"));
  if (length > sizes.context)
    throw shape_error(message("basin::models::transformer: length is ", length, ", the context is ", sizes.context,
                              "; shorten the sequence or build a model with a longer context"));
  nn::detail::require_tokens("transformer", tokens, sizes.vocabulary);
}

template <class Attention, class T>
template <class Adapt>
std::span<T const> transformer<Attention, T>::forward(std::span<int const> tokens, int batch, int length, Adapt adapt, activations keep) {
  require_input(tokens, batch, length);
  kept.clear();
  auto layers = store.take(sizes, std::ssize(tokens), keep);
  nn::embedding_forward(tokens, weight.embedding, layers.front().input);
  for (int l = 0; l < sizes.layers; ++l) {
    project(layers[l], l, batch, 0);
    attend(layers[l], l, batch, adapt);
    mix_down(layers[l], l);
  }
  auto const logits = make_logits(layers.back().output);
  if (keep == activations::keep) {
    kept = std::move(layers);
    kept_tokens.assign(tokens.begin(), tokens.end());
    kept_batch = batch;
  }
  return logits;
}

template <class Attention, class T>
template <class Adapt>
std::span<T const> transformer<Attention, T>::extend(cache_type& cache, std::span<int const> tokens, Adapt adapt) {
  require_input(tokens, 1, static_cast<int>(tokens.size()));
  if (cache.config() != sizes) throw shape_error("basin::models::transformer: the cache was made for another configuration");
  if (cache.length() + std::ssize(tokens) > cache.capacity())
    throw shape_error(message("basin::models::transformer: the cache holds ", cache.length(), " of ", cache.capacity(),
                              " tokens, ", tokens.size(), " more do not fit; truncate it or build a model with a longer context"));
  kept.clear();
  auto const layers = store.take(sizes, std::ssize(tokens), activations::discard);
  nn::embedding_forward(tokens, weight.embedding, layers.front().input);
  for (int l = 0; l < sizes.layers; ++l) {
    project(layers[l], l, 1, cache.length());
    attend_cached(layers[l], l, cache, adapt);
    mix_down(layers[l], l);
  }
  cache.commit(std::ssize(tokens));
  return make_logits(layers.back().output);
}

/// q, k, v of the normed stream; q and k turned to their positions, which start at `first`.
template <class Attention, class T>
void transformer<Attention, T>::project(layer const& a, int l, index batch, index first) {
  auto const& w = weight.layers[l];
  nn::rms_norm_forward(a.input, w.attention_norm, sizes.norm_epsilon, a.attention_normed, a.attention_inverse_rms);
  nn::linear_forward(a.attention_normed, w.qkv, a.qkv);
  nn::rope_forward(heads(a.qkv, batch, 0, sizes.heads + sizes.kv_heads), rope, first);
}

namespace detail {

/// Adds the output of a block to the stream: in place, or on a copy where the input must survive.
template <class T>
void add_to_stream(view<T, 2> before, view<T, 2> after, view<T, 2> block, view<T, 2> weight) {
  if (after.data_handle() != before.data_handle())
    std::copy_n(before.data_handle(), before.extent(0) * before.extent(1), after.data_handle());
  nn::linear_forward(block, weight, after, nn::update::add);
}

template <class Adapt, class T>
void show_projected(Adapt& adapt, int l, view<T const, 4> q, view<T const, 4> k, view<T const, 4> v) {
  if constexpr (requires { adapt.projected(l, q, k, v); }) adapt.projected(l, q, k, v);
  else if constexpr (requires { adapt.projected(l, q, k); }) adapt.projected(l, q, k);
}

}  // namespace detail

template <class Attention, class T>
template <class Adapt>
void transformer<Attention, T>::attend(layer const& a, int l, index batch, Adapt& adapt) {
  view<T const, 4> const q = heads(a.qkv, batch, 0, sizes.heads);
  view<T const, 4> const k = heads(a.qkv, batch, sizes.heads, sizes.kv_heads);
  view<T const, 4> const v = heads(a.qkv, batch, sizes.heads + sizes.kv_heads, sizes.kv_heads);
  if constexpr (requires { adapt.reads(l, view<T const, 2>(a.input)); }) adapt.reads(l, view<T const, 2>(a.input));
  detail::show_projected<Adapt, T>(adapt, l, q, k, v);
  cpu::forward(adapt(l, use), q, k, v, heads(a.attended, batch, 0, sizes.heads));
  detail::add_to_stream(a.input, a.middle, a.attended, weight.layers[l].output);
}

template <class Attention, class T>
template <class Adapt>
void transformer<Attention, T>::attend_cached(layer const& a, int l, cache_type& cache, Adapt& adapt) {
  cache.append(l, heads(a.qkv, 1, sizes.heads, sizes.kv_heads), heads(a.qkv, 1, sizes.heads + sizes.kv_heads, sizes.kv_heads));
  index const length = cache.length() + a.qkv.extent(0);
  view<T const, 4> const q = heads(a.qkv, 1, 0, sizes.heads), k = cache.keys(l, length), v = cache.values(l, length);
  detail::show_projected<Adapt, T>(adapt, l, q, k, v);
  cpu::decode(adapt(l, use), q, k, v, heads(a.attended, 1, 0, sizes.heads));
  detail::add_to_stream(a.input, a.middle, a.attended, weight.layers[l].output);
}

template <class Attention, class T>
void transformer<Attention, T>::mix_down(layer const& a, int l) {
  auto const& w = weight.layers[l];
  nn::rms_norm_forward(a.middle, w.mlp_norm, sizes.norm_epsilon, a.mlp_normed, a.mlp_inverse_rms);
  nn::linear_forward(a.mlp_normed, w.gate_up, a.gate_up);
  nn::swiglu_forward(detail::columns_of(a.gate_up, 0, sizes.hidden), detail::columns_of(a.gate_up, sizes.hidden, sizes.hidden), a.hidden);
  detail::add_to_stream(a.middle, a.output, a.hidden, w.down);
}

template <class Attention, class T>
std::span<T const> transformer<Attention, T>::make_logits(view<T, 2> stream) {
  index const rows = stream.extent(0);
  auto const normed = final_normed.take(rows, sizes.dim);
  auto const logits = logit_memory.take(rows, sizes.vocabulary);
  nn::rms_norm_forward(stream, weight.norm, sizes.norm_epsilon, normed, final_inverse_rms.vector(rows));
  nn::linear_forward(normed, weight.head, logits);
  return {logits.data_handle(), static_cast<std::size_t>(rows * sizes.vocabulary)};
}

template <class Attention, class T>
template <class Adapt>
void transformer<Attention, T>::backward(std::span<T const> dlogits, Adapt adapt) {
  if (kept.empty())
    throw value_error("basin::models::transformer: backward has no activations; call forward with activations::keep before each backward");
  index const rows = std::ssize(kept_tokens);
  if (std::ssize(dlogits) != rows * sizes.vocabulary)
    throw shape_error(message("basin::models::transformer: ", dlogits.size(), " gradients of ", rows * sizes.vocabulary,
                              " logits; there must be one for each"));
  auto const layers = std::exchange(kept, {});
  backward_head(contiguous(dlogits.data(), rows, sizes.vocabulary), layers.back().output);
  for (int l = sizes.layers; l-- > 0;) {
    backward_mlp(layers[l], l);
    backward_attention(layers[l], l, adapt);
  }
  nn::embedding_backward(kept_tokens, gradient_rows(d_stream, rows, sizes.dim), dweight.embedding);
}

/// Starts the gradient of the stream.
template <class Attention, class T>
void transformer<Attention, T>::backward_head(view<T const, 2> dlogits, view<T const, 2> stream) {
  index const rows = dlogits.extent(0);
  auto const normed = final_normed.take(rows, sizes.dim), dnormed = gradient_rows(d_normed, rows, sizes.dim);
  auto const dstream = gradient_rows(d_stream, rows, sizes.dim);
  nn::linear_backward_weight(normed, dlogits, dweight.head);
  nn::linear_backward_input(dlogits, weight.head, dnormed);
  std::fill_n(dstream.data_handle(), rows * sizes.dim, T(0));
  nn::rms_norm_backward(stream, weight.norm, final_inverse_rms.vector(rows), dnormed, dstream, dweight.norm);
}

/// Takes the gradient of a.output to that of a.middle, in the same memory: the stream passes it on, the MLP adds to it.
template <class Attention, class T>
void transformer<Attention, T>::backward_mlp(layer const& a, int l) {
  auto const& w = weight.layers[l];
  auto const& dw = dweight.layers[l];
  index const rows = a.hidden.extent(0);
  auto const dstream = gradient_rows(d_stream, rows, sizes.dim), dnormed = gradient_rows(d_normed, rows, sizes.dim);
  auto const dhidden = gradient_rows(d_hidden, rows, sizes.hidden);
  auto const gate = detail::columns_of(a.gate_up, 0, sizes.hidden), up = detail::columns_of(a.gate_up, sizes.hidden, sizes.hidden);
  nn::linear_backward_weight(a.hidden, dstream, dw.down);
  nn::linear_backward_input(dstream, w.down, dhidden);
  nn::swiglu_backward(gate, up, dhidden, gate, up);  // the activations make room for their gradients
  nn::linear_backward_weight(a.mlp_normed, a.gate_up, dw.gate_up);
  nn::linear_backward_input(a.gate_up, w.gate_up, dnormed);
  nn::rms_norm_backward(a.middle, w.mlp_norm, a.mlp_inverse_rms, dnormed, dstream, dw.mlp_norm);
}

/// Takes the gradient of a.middle to that of a.input.
template <class Attention, class T>
template <class Adapt>
void transformer<Attention, T>::backward_attention(layer const& a, int l, Adapt& adapt) {
  auto const& w = weight.layers[l];
  auto const& dw = dweight.layers[l];
  index const rows = a.qkv.extent(0), batch = kept_batch;
  int const h = sizes.heads, hk = sizes.kv_heads;
  auto const dstream = gradient_rows(d_stream, rows, sizes.dim), dnormed = gradient_rows(d_normed, rows, sizes.dim);
  auto const dattended = gradient_rows(d_attended, rows, h * sizes.head_dim()), dqkv = gradient_rows(d_qkv, rows, sizes.qkv_dim());
  nn::linear_backward_weight(a.attended, dstream, dw.output);
  nn::linear_backward_input(dstream, w.output, dattended);
  view<T const, 4> const q = heads(a.qkv, batch, 0, h), k = heads(a.qkv, batch, h, hk), v = heads(a.qkv, batch, h + hk, hk);
  view<T const, 4> const dout = heads(dattended, batch, 0, h);
  cpu::backward(adapt(l, use), q, k, v, dout, heads(dqkv, batch, 0, h), heads(dqkv, batch, h, hk), heads(dqkv, batch, h + hk, hk));
  nn::rope_backward(heads(dqkv, batch, 0, h + hk), rope);
  nn::linear_backward_weight(a.attention_normed, dqkv, dw.qkv);
  nn::linear_backward_input(dqkv, w.qkv, dnormed);
  nn::rms_norm_backward(a.input, w.attention_norm, a.attention_inverse_rms, dnormed, dstream, dw.attention_norm);
}

}  // namespace basin::models
