// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One transformer for autoregressive and diffusion language models: pre-norm RMSNorm, rotary positions, SwiGLU, no
// biases. What makes it one or the other is its attention type (causal or not) and the objective it is trained with
// (basin/lm/objectives/objectives.hpp).

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "basin/attention.hpp"
#include "basin/cpu/any_normalizer.hpp"
#include "basin/lm/decoding/key_value_cache.hpp"
#include "basin/lm/detail/transformer_activations.hpp"
#include "basin/lm/detail/transformer_tensors.hpp"
#include "basin/lm/devices/host_engine.hpp"
#include "basin/lm/policies/model_normalizers.hpp"
#include "basin/lm/transformer_config.hpp"

namespace basin::lm {

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
///   h = embedding[token];  h += output(attention(rope(q), rope(k), v)), q k v from norm(h);  h += down(silu(gate) up),
///   both from norm(h), in every layer;  logits = head(norm(h))
///
/// Adapt     a callable (int layer, Attention use) that returns the attention of that layer, with another pruner or
///           observer for instance. If it has a member projected(int layer, view<T const, 4> q, view<T const, 4> k),
///           that is shown the rotated queries and keys, [batch, heads, length, head_dim]; with a fourth argument, the
///           values as well. A member reads(int layer, view<T const, 2> stream) is shown what the layer reads, [batch *
///           length, dim], before that.
/// Engine    where it computes (basin/lm/devices/host_engine.hpp). What the host gives and gets is on the host whatever the engine:
///           tokens, logits, gradients of logits, what an Adapt is shown, and parameters() as of the last send() or
///           fetch(). Policies point to memory of reach()
/// Shapes    tokens [batch, length]; logits [batch * length, vocabulary], valid until the next call of a member
/// Errors    value_error for a configuration that makes no transformer and for tokens outside the vocabulary,
///           shape_error for lengths that do not fit; nothing is changed then
/// Determinism  run_to_run, for any number of threads
template <class Attention, class T = float, class Engine = host_engine<T>>
class transformer {
 public:
  using attention_type = Attention;
  using value_type = T;
  using engine_type = Engine;
  using cache_type = basic_key_value_cache<T, Engine>;
  using moments = typename Engine::moments;

  /// Whether normalizers are chosen by name, for every layer and head.
  static constexpr bool by_name = std::is_same_v<decltype(Attention::normalize), cpu::any_normalizer>;
  using normalizers_type = std::conditional_t<by_name, lm::model_normalizers, detail::no_normalizers>;

  explicit transformer(transformer_config const& c, std::uint64_t seed = 0, Attention use = {})
    requires(!by_name)
      : transformer(c, seed, use, detail::no_normalizers{}) {}
  transformer(transformer_config const& c, std::uint64_t seed, Attention use, normalizers_type of_layers);
  transformer(transformer&&) = default;
  transformer& operator=(transformer&&) = default;

  transformer_config const& config() const { return sizes; }
  Attention const& attention() const { return use; }
  Engine& engine() { return on; }
  static std::pmr::memory_resource* reach() { return Engine::reach(); }

  std::span<nn::parameter<T>> parameters() { return named; }
  /// Tells the engine what the host has written to the values of parameters().
  void send() { on.send(values); }
  /// Brings values and gradients from the engine to parameters().
  void fetch() { on.fetch(values), on.fetch(gradients); }

  /// Logits of whole sequences.
  template <class Adapt = unchanged>
  std::span<T const> forward(std::span<int const> tokens, int batch, int length, Adapt adapt = {},
                             activations keep = activations::discard) {
    return on.to_host(logits(tokens, batch, length, adapt, keep));
  }
  /// The same where the engine has them. // [batch * length, vocabulary]
  template <class Adapt = unchanged>
  view<T, 2> logits(std::span<int const> tokens, int batch, int length, Adapt adapt = {},
                    activations keep = activations::discard);

  /// Adds the gradients of the last forward, which must have kept its activations and is used up by this; with the same
  /// adapt.
  template <class Adapt = unchanged>
  void backward(std::span<T const> dlogits, Adapt adapt = {}) {
    require_gradients(std::ssize(dlogits));
    backward(contiguous(on.from_host(dlogits).data(), std::ssize(kept_tokens), sizes.vocabulary), adapt);
  }
  /// The same with gradients that the engine has.
  template <class Adapt = unchanged>
  void backward(view<T const, 2> dlogits, Adapt adapt = {});

  void clear_gradients() { on.zero(gradients.here()); }
  /// One step of AdamW where the engine has parameters and moments; the norm of the gradient.
  double step(moments& m, double rate, nn::adamw_options const& options) {
    double const norm = on.adamw(resident, m, rate, options);
    if constexpr (by_name)
      for (int l = 0; l < sizes.layers; ++l)
        normalizers.layer(l).clamp(weight.layers[static_cast<std::size_t>(l)].learned.data());
    return norm;
  }
  normalizers_type const& normalizers_of_layers() const { return normalizers; }
  Attention const& attention_of_layers() const { return use; }
  /// Another model with the same policies, and weights of its own.
  transformer twin() const { return twin(sizes); }
  transformer twin(transformer_config const& c) const { return transformer(c, 0, use, normalizers); }

  /// Logits of tokens that follow those in the cache, of one sequence; joins them to the cache.
  template <class Adapt = unchanged>
  std::span<T const> extend(cache_type& cache, std::span<int const> tokens, Adapt adapt = {});

 private:
  using layer = detail::layer_activations<T>;
  enum gradient_of { d_stream, d_normed, d_qkv, d_attended, d_hidden, gradient_buffers };

  void require_input(std::span<int const> tokens, int batch, int length) const;
  void project(layer const& a, int l, index_t batch, index_t first);
  template <class Adapt>
  void attend(layer const& a, int l, index_t batch, Adapt& adapt);
  template <class Adapt>
  void attend_cached(layer const& a, int l, cache_type& cache, Adapt& adapt);
  void mix_down(layer const& a, int l);
  view<T, 2> make_logits(view<T, 2> stream);
  void add_to_stream(view<T, 2> before, view<T, 2> after, view<T, 2> block, view<T, 2> with);
  void require_gradients(index_t count) const;
  template <class Adapt>
  void show_projected(Adapt& adapt, int l, view<T const, 4> q, view<T const, 4> k, view<T const, 4> v);
  void backward_head(view<T const, 2> dlogits, view<T const, 2> stream);
  void backward_mlp(layer const& a, int l);
  template <class Adapt>
  void backward_attention(layer const& a, int l, Adapt& adapt);

  view<T, 4> heads(view<T, 2> rows, index_t batch, index_t first, index_t count) const {
    return detail::heads_of(rows, batch, first, count, sizes.head_dim());
  }
  view<T, 2> gradient_rows(gradient_of which, index_t rows, index_t columns) {
    return gradient_memory[which].take(rows, columns);
  }

  /// The attention of a layer, before it is adapted.
  Attention attention_of(int l) {
    if constexpr (by_name)
      return use.replace(normalizers.layer(l).bind(weight.layers[static_cast<std::size_t>(l)].learned.data()));
    else return use;
  }

  transformer_config sizes;
  Attention use;
  normalizers_type normalizers;
  Engine on;
  typename Engine::tensors values, gradients;
  detail::transformer_tensors<T> weight, dweight;
  std::vector<nn::parameter<T>> named, resident;  // of the host, and of the engine
  typename Engine::rope_table rope;

  detail::activation_store<Engine> store;
  detail::buffer<Engine> final_normed, final_inverse_rms, logit_memory;
  std::vector<detail::buffer<Engine>> gradient_memory{gradient_buffers};
  std::vector<layer> kept;  // of the last forward, if it kept them
  std::vector<int> kept_tokens;
  index_t kept_batch = 0;
};

template <class Attention, class T, class Engine>
transformer<Attention, T, Engine>::transformer(transformer_config const& c, std::uint64_t seed, Attention attend_with,
                                               normalizers_type of_layers)
    : sizes((validate(c), c)), use(attend_with), normalizers(std::move(of_layers)),
      values(static_cast<std::size_t>(detail::value_count(c, normalizers))), gradients(values.here().size()),
      weight(c, normalizers, values.here().data()), dweight(c, normalizers, gradients.here().data()),
      named(detail::named_parameters<T>(c, normalizers, values.on_host(), gradients.on_host())),
      resident(detail::named_parameters<T>(c, normalizers, values.here(), gradients.here())),
      rope(on.make_rope(c.context, c.head_dim(), c.rope_base)) {
  detail::initialise<T>(c, normalizers, seed, values.on_host());
  if constexpr (by_name)
    for (int l = 0; l < sizes.layers; ++l) {
      T* to = weight.layers[static_cast<std::size_t>(l)].learned.data();
      for (auto const& tensor : normalizers.layer(l).learned()) to = std::ranges::copy(tensor.initial, to).out;
    }
  send();
}

template <class Attention, class T, class Engine>
void transformer<Attention, T, Engine>::require_input(std::span<int const> tokens, int batch, int length) const {
  if (batch < 1 || length < 1 || std::ssize(tokens) != index_t{batch} * length)
    throw shape_error(message("basin::lm::transformer: ", tokens.size(), " tokens for a batch of ", batch, " x ",
                              length, "; give batch * length of them, at least one"));
  if (length > sizes.context)
    throw shape_error(message("basin::lm::transformer: length is ", length, ", the context is ", sizes.context,
                              "; shorten the sequence or build a model with a longer context"));
  nn::detail::require_tokens("transformer", tokens, sizes.vocabulary);
}

template <class Attention, class T, class Engine>
template <class Adapt>
view<T, 2> transformer<Attention, T, Engine>::logits(std::span<int const> tokens, int batch, int length, Adapt adapt,
                                                     activations keep) {
  require_input(tokens, batch, length);
  kept.clear();
  auto layers = store.take(sizes, std::ssize(tokens), keep);
  on.embedding_forward(tokens, weight.embedding, layers.front().input);
  for (int l = 0; l < sizes.layers; ++l) {
    project(layers[l], l, batch, 0);
    attend(layers[l], l, batch, adapt);
    mix_down(layers[l], l);
  }
  auto const made = make_logits(layers.back().output);
  if (keep == activations::keep) {
    kept = std::move(layers);
    kept_tokens.assign(tokens.begin(), tokens.end());
    kept_batch = batch;
  }
  return made;
}

template <class Attention, class T, class Engine>
template <class Adapt>
std::span<T const> transformer<Attention, T, Engine>::extend(cache_type& cache, std::span<int const> tokens,
                                                             Adapt adapt) {
  require_input(tokens, 1, static_cast<int>(tokens.size()));
  if (cache.config() != sizes)
    throw shape_error("basin::lm::transformer: the cache was made for another configuration");
  if (cache.length() + std::ssize(tokens) > cache.capacity())
    throw shape_error(message("basin::lm::transformer: the cache holds ", cache.length(), " of ", cache.capacity(),
                              " tokens, ", tokens.size(),
                              " more do not fit; truncate it or build a model with a longer context"));
  kept.clear();
  auto const layers = store.take(sizes, std::ssize(tokens), activations::discard);
  on.embedding_forward(tokens, weight.embedding, layers.front().input);
  for (int l = 0; l < sizes.layers; ++l) {
    project(layers[l], l, 1, cache.length());
    attend_cached(layers[l], l, cache, adapt);
    mix_down(layers[l], l);
  }
  cache.commit(std::ssize(tokens));
  return on.to_host(make_logits(layers.back().output));
}

/// q, k, v of the normed stream; q and k turned to their positions, which start at `first`.
template <class Attention, class T, class Engine>
void transformer<Attention, T, Engine>::project(layer const& a, int l, index_t batch, index_t first) {
  auto const& w = weight.layers[l];
  on.rms_norm_forward(a.input, w.attention_norm, sizes.norm_epsilon, a.attention_normed, a.attention_inverse_rms);
  on.linear_forward(a.attention_normed, w.qkv, a.qkv);
  on.rope_forward(heads(a.qkv, batch, 0, sizes.heads + sizes.kv_heads), rope, first);
}

/// Adds the output of a block to the stream: in place, or on a copy where the input must survive.
template <class Attention, class T, class Engine>
void transformer<Attention, T, Engine>::add_to_stream(view<T, 2> before, view<T, 2> after, view<T, 2> block,
                                                      view<T, 2> with) {
  auto const all = [](view<T, 2> rows) {
    return std::span<T>(rows.data_handle(), static_cast<std::size_t>(rows.extent(0) * rows.extent(1)));
  };
  if (after.data_handle() != before.data_handle()) on.copy(std::span<T const>(all(before)), all(after));
  on.linear_forward(block, with, after, nn::update::add);
}

template <class Attention, class T, class Engine>
template <class Adapt>
void transformer<Attention, T, Engine>::show_projected(Adapt& adapt, int l, view<T const, 4> q, view<T const, 4> k,
                                                       view<T const, 4> v) {
  if constexpr (requires { adapt.projected(l, q, k, v); })
    on.show([&](auto... seen) { adapt.projected(l, seen...); }, q, k, v);
  else if constexpr (requires { adapt.projected(l, q, k); })
    on.show([&](auto... seen) { adapt.projected(l, seen...); }, q, k);
}

template <class Attention, class T, class Engine>
template <class Adapt>
void transformer<Attention, T, Engine>::attend(layer const& a, int l, index_t batch, Adapt& adapt) {
  view<T const, 4> const q = heads(a.qkv, batch, 0, sizes.heads);
  view<T const, 4> const k = heads(a.qkv, batch, sizes.heads, sizes.kv_heads);
  view<T const, 4> const v = heads(a.qkv, batch, sizes.heads + sizes.kv_heads, sizes.kv_heads);
  if constexpr (requires { adapt.reads(l, view<T const, 2>(a.input)); })
    on.show([&](auto stream) { adapt.reads(l, stream); }, view<T const, 2>(a.input));
  show_projected(adapt, l, q, k, v);
  on.attention_forward(adapt(l, attention_of(l)), q, k, v, heads(a.attended, batch, 0, sizes.heads));
  add_to_stream(a.input, a.middle, a.attended, weight.layers[l].output);
}

template <class Attention, class T, class Engine>
template <class Adapt>
void transformer<Attention, T, Engine>::attend_cached(layer const& a, int l, cache_type& cache, Adapt& adapt) {
  cache.append(on, l, heads(a.qkv, 1, sizes.heads, sizes.kv_heads),
               heads(a.qkv, 1, sizes.heads + sizes.kv_heads, sizes.kv_heads));
  index_t const length = cache.length() + a.qkv.extent(0);
  view<T const, 4> const q = heads(a.qkv, 1, 0, sizes.heads), k = cache.keys(l, length), v = cache.values(l, length);
  show_projected(adapt, l, q, k, v);
  on.attention_decode(adapt(l, attention_of(l)), q, k, v, heads(a.attended, 1, 0, sizes.heads));
  add_to_stream(a.input, a.middle, a.attended, weight.layers[l].output);
}

template <class Attention, class T, class Engine>
void transformer<Attention, T, Engine>::mix_down(layer const& a, int l) {
  auto const& w = weight.layers[l];
  on.rms_norm_forward(a.middle, w.mlp_norm, sizes.norm_epsilon, a.mlp_normed, a.mlp_inverse_rms);
  on.linear_forward(a.mlp_normed, w.gate_up, a.gate_up);
  on.swiglu_forward(detail::columns_of(a.gate_up, 0, sizes.hidden),
                    detail::columns_of(a.gate_up, sizes.hidden, sizes.hidden), a.hidden);
  add_to_stream(a.middle, a.output, a.hidden, w.down);
}

template <class Attention, class T, class Engine>
view<T, 2> transformer<Attention, T, Engine>::make_logits(view<T, 2> stream) {
  index_t const rows = stream.extent(0);
  auto const normed = final_normed.take(rows, sizes.dim);
  auto const made = logit_memory.take(rows, sizes.vocabulary);
  on.rms_norm_forward(stream, weight.norm, sizes.norm_epsilon, normed, final_inverse_rms.vector(rows));
  on.linear_forward(normed, weight.head, made);
  return made;
}

template <class Attention, class T, class Engine>
void transformer<Attention, T, Engine>::require_gradients(index_t count) const {
  if (kept.empty())
    throw value_error("basin::lm::transformer: backward has no activations; call forward with activations::keep "
                      "before each backward");
  index_t const expected = std::ssize(kept_tokens) * sizes.vocabulary;
  if (count != expected)
    throw shape_error(message("basin::lm::transformer: ", count, " gradients of ", expected,
                              " logits; there must be one for each"));
}

template <class Attention, class T, class Engine>
template <class Adapt>
void transformer<Attention, T, Engine>::backward(view<T const, 2> dlogits, Adapt adapt) {
  require_gradients(dlogits.extent(0) * dlogits.extent(1));
  index_t const rows = std::ssize(kept_tokens);
  auto const layers = std::exchange(kept, {});
  backward_head(dlogits, layers.back().output);
  for (int l = sizes.layers; l-- > 0;) {
    backward_mlp(layers[l], l);
    backward_attention(layers[l], l, adapt);
  }
  on.embedding_backward(kept_tokens, gradient_rows(d_stream, rows, sizes.dim), dweight.embedding);
}

/// Starts the gradient of the stream.
template <class Attention, class T, class Engine>
void transformer<Attention, T, Engine>::backward_head(view<T const, 2> dlogits, view<T const, 2> stream) {
  index_t const rows = dlogits.extent(0);
  auto const normed = final_normed.take(rows, sizes.dim), dnormed = gradient_rows(d_normed, rows, sizes.dim);
  auto const dstream = gradient_rows(d_stream, rows, sizes.dim);
  on.linear_backward_weight(normed, dlogits, dweight.head);
  on.linear_backward_input(dlogits, weight.head, dnormed);
  on.zero({dstream.data_handle(), static_cast<std::size_t>(rows * sizes.dim)});
  on.rms_norm_backward(stream, weight.norm, final_inverse_rms.vector(rows), dnormed, dstream, dweight.norm);
}

/// Takes the gradient of a.output to that of a.middle, in the same memory: the stream passes it on, the MLP adds to it.
template <class Attention, class T, class Engine>
void transformer<Attention, T, Engine>::backward_mlp(layer const& a, int l) {
  auto const& w = weight.layers[l];
  auto const& dw = dweight.layers[l];
  index_t const rows = a.hidden.extent(0);
  auto const dstream = gradient_rows(d_stream, rows, sizes.dim), dnormed = gradient_rows(d_normed, rows, sizes.dim);
  auto const dhidden = gradient_rows(d_hidden, rows, sizes.hidden);
  auto const gate = detail::columns_of(a.gate_up, 0, sizes.hidden),
             up = detail::columns_of(a.gate_up, sizes.hidden, sizes.hidden);
  on.linear_backward_weight(a.hidden, dstream, dw.down);
  on.linear_backward_input(dstream, w.down, dhidden);
  on.swiglu_backward(gate, up, dhidden, gate, up);  // the activations make room for their gradients
  on.linear_backward_weight(a.mlp_normed, a.gate_up, dw.gate_up);
  on.linear_backward_input(a.gate_up, w.gate_up, dnormed);
  on.rms_norm_backward(a.middle, w.mlp_norm, a.mlp_inverse_rms, dnormed, dstream, dw.mlp_norm);
}

/// Takes the gradient of a.middle to that of a.input.
template <class Attention, class T, class Engine>
template <class Adapt>
void transformer<Attention, T, Engine>::backward_attention(layer const& a, int l, Adapt& adapt) {
  auto const& w = weight.layers[l];
  auto const& dw = dweight.layers[l];
  index_t const rows = a.qkv.extent(0), batch = kept_batch;
  int const h = sizes.heads, hk = sizes.kv_heads;
  auto const dstream = gradient_rows(d_stream, rows, sizes.dim), dnormed = gradient_rows(d_normed, rows, sizes.dim);
  auto const dattended = gradient_rows(d_attended, rows, h * sizes.head_dim()),
             dqkv = gradient_rows(d_qkv, rows, sizes.qkv_dim());
  on.linear_backward_weight(a.attended, dstream, dw.output);
  on.linear_backward_input(dstream, w.output, dattended);
  view<T const, 4> const q = heads(a.qkv, batch, 0, h), k = heads(a.qkv, batch, h, hk),
                         v = heads(a.qkv, batch, h + hk, hk);
  view<T const, 4> const dout = heads(dattended, batch, 0, h);
  auto const through = [&](Attention const& base) {
    on.attention_backward(adapt(l, base), q, k, v, dout, heads(dqkv, batch, 0, h), heads(dqkv, batch, h, hk),
                          heads(dqkv, batch, h + hk, hk));
  };
  if constexpr (by_name) {
    auto& mine = normalizers.layer(l);
    through(use.replace(mine.bind(w.learned.data(), batch, rows / batch)));
    mine.add_gradients(dw.learned.data(), batch, rows / batch);
  } else {
    through(use);
  }
  on.rope_backward(heads(dqkv, batch, 0, h + hk), rope);
  on.linear_backward_weight(a.attention_normed, dqkv, dw.qkv);
  on.linear_backward_input(dqkv, w.qkv, dnormed);
  on.rms_norm_backward(a.input, w.attention_norm, a.attention_inverse_rms, dnormed, dstream, dw.attention_norm);
}

}  // namespace basin::lm
