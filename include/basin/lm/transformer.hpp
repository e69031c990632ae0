// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A language model assembled from blocks, for autoregressive and diffusion models alike: what makes it one or the other
// is its attention (causal or not) and the objective it is trained with (lm/objectives/).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "basin/lm/block.hpp"
#include "basin/lm/input_layer.hpp"
#include "basin/lm/model_sizes.hpp"
#include "basin/lm/output_layer.hpp"
#include "basin/lm/sequence_cache.hpp"
#include "basin/lm/stages.hpp"
#include "basin/nn/adamw.hpp"
#include "basin/nn/cross_entropy.hpp"
#include "basin/nn/device/adamw.hpp"
#include "basin/nn/device/cross_entropy.hpp"

namespace basin::lm {

/// A language model: tokens in, logits out.
///
///   h = embedding[token] (+ positions[i]);  h = block(h) for every block;  logits = head(norm(h))
///
/// With norm_order::post the norm stands after the embedding instead: h = norm(embedding[token] + positions[i]).
///
/// Blocks    std::vector<block<...>>, or std::tuple of blocks of different types; all on one device, of one value type
/// Adapt     a callable (int layer, Attention use) that returns the attention of that layer, with another pruner or
///           observer for instance. If it has a member projected(int layer, view<T const, 4> q, view<T const, 4> k),
///           that is shown the rotated queries and keys, [batch, heads, length, head_dim]; with a fourth argument, the
///           values as well. A member reads(int layer, view<T const, 2> stream) is shown what the layer reads, [batch *
///           length, dim], before that
/// Device    what the host gives and gets is on the host whatever the device: tokens, logits, gradients of logits, what
///           an Adapt is shown, and parameters() as of the last send() or fetch(). Policies point to shared_memory()
/// Shapes    tokens [batch, length]; logits [batch * length, vocabulary], valid until the next call of a member
/// Tensors   those of input_layer; layers.N.* of block N; norm.* with pre-norm blocks; those of output_layer
/// Errors    value_error for sizes that make no model and for tokens outside the vocabulary, shape_error for lengths
///           that do not fit; nothing is changed then
/// Determinism  run_to_run, for any number of threads
/// Example   examples/09_your_own_transformer.cpp
template <class Blocks>
class transformer {
 public:
  using block_type = typename detail::stages_of<Blocks>::first;
  using attention_type = typename block_type::attention_type;
  using value_type = typename block_type::value_type;
  using device_type = typename block_type::device_type;
  using cache_type = sequence_cache<value_type, device_type>;
  using moments = nn::adamw_state<value_type, typename device_type::template memory<value_type>>;

  /// First values are drawn from `seed`: N(0, 0.02); what is added to the residual stream is smaller by sqrt(2 layers),
  /// so that the stream starts with the same variance at any depth. Source: Radford et al. 2019, section 2.3. Without a
  /// seed they are 0, until they are read from a file.
  transformer(device_type device, model_sizes const& sizes, Blocks blocks, std::optional<std::uint64_t> seed = 0);
  transformer(transformer&&) = default;
  transformer& operator=(transformer&&) = default;

  model_sizes const& sizes() const { return shape; }
  int vocabulary() const { return shape.vocabulary; }
  int context() const { return shape.context; }
  device_type& device() { return on; }
  static std::pmr::memory_resource* shared_memory() { return device_type::shared_memory(); }
  /// f(layer number, attention_layer) for every block.
  template <class F>
  void for_each_layer(F const& f) {
    stages.each([&](int l, auto& stage) { f(l, stage.block.layer()); });
  }

  std::span<nn::parameter<value_type>> parameters() { return named; }
  /// Tells the device what the host has written to the values of parameters().
  void send() {
    weights("", [&](std::string const&, auto& w) { w.send(on); });
  }
  /// Brings values and gradients from the device to parameters().
  void fetch() {
    weights("", [&](std::string const&, auto& w) { w.fetch(on); });
  }
  /// f(prefix, weight) for all tensors, in the order of parameters().
  template <class F>
  void weights(std::string const& prefix, F const& f);

  /// Logits of whole sequences.
  template <class Adapt = unchanged>
  std::span<value_type const> forward(std::span<int const> tokens, int batch, int length, Adapt adapt = {},
                                      activations keep = activations::discard) {
    return shown.get(on, logits(tokens, batch, length, adapt, keep));
  }
  /// The same where the device has them. // [batch * length, vocabulary]
  template <class Adapt = unchanged>
  view<value_type, 2> logits(std::span<int const> tokens, int batch, int length, Adapt adapt = {},
                             activations keep = activations::discard);

  /// Adds the gradients of the last forward, which must have kept its activations and is used up by this; with the same
  /// adapt.
  template <class Adapt = unchanged>
  void backward(std::span<value_type const> dlogits, Adapt adapt = {}) {
    require_gradients(std::ssize(dlogits));
    backward(contiguous(numbers.put(on, dlogits).data(), std::ssize(kept_tokens), shape.vocabulary), adapt);
  }
  /// The same with gradients that the device has.
  template <class Adapt = unchanged>
  void backward(view<value_type const, 2> dlogits, Adapt adapt = {});

  /// Turns logits where the device has them into the gradients of their weighted cross entropy; loss() has the loss.
  void cross_entropy(view<value_type, 2> of, std::span<int const> targets, std::span<value_type const> weight_of_rows);
  double loss() { return on.read(total.take(1)); }

  void clear_gradients() {
    weights("", [&](std::string const&, auto& w) { w.clear_gradient(on); });
  }
  /// One step of AdamW where the device has parameters and moments; the norm of the gradient.
  double step(moments& m, double rate, nn::adamw_options const& options) {
    std::span<nn::parameter<value_type> const> const all = resident;
    double const norm = nn::adamw(on, all, m, rate, options, work.vector(nn::adamw_workspace(on, all)));
    for_each_layer([&](int, auto& layer) { layer.clamp(on); });
    return norm;
  }
  /// Moments as a checkpoint keeps them, and back.
  nn::adamw_state<value_type> fetch(moments const& m);
  moments send(nn::adamw_state<value_type> const& m);

  /// An empty cache for sequences of up to the context.
  cache_type make_cache(index_t batch = 1) {
    std::vector<attention_cache<value_type, device_type>> caches;
    for_each_layer([&](int, auto& layer) { caches.push_back(layer.make_cache(batch, shape.context)); });
    return cache_type(std::move(caches));
  }
  /// Logits of the next tokens of the sequences in a cache, which they join. tokens [batch of the cache, new tokens]
  template <class Adapt = unchanged>
  std::span<value_type const> extend(cache_type& cache, std::span<int const> tokens, Adapt adapt = {});

 private:
  using T = value_type;
  using Device = device_type;

  void require_input(std::span<int const> tokens, index_t batch, index_t length) const;
  void require_cache(cache_type const& cache, index_t added);
  void require_gradients(index_t count) const;
  void prepare(index_t rows, activations keep);
  view<T, 2> make_logits(view<T, 2> stream);
  view<T, 2> input_of_head(view<T, 2> output) {
    return final_norm.is_empty() ? output : final_normed.take(output.extent(0), shape.dim);
  }
  void backward_head(view<T const, 2> dlogits, view<T, 2> dstream);

  /// The activations that a block uses in this pass.
  template <class Stage>
  auto& activations_of(Stage& stage, activations keep) {
    return keep == activations::keep ? stage.kept : stages.scratch_of(stage).kept;
  }
  view<T, 2> output_of_blocks(index_t rows) { return stream.back().take(rows, shape.dim); }

  model_sizes shape;
  Device on;
  detail::stages_of<Blocks> stages;
  input_layer<T, Device> input;
  norm<T, Device> final_norm;  // empty with post-norm blocks
  output_layer<T, Device> head;
  std::vector<nn::parameter<T>> named, resident;  // of the host, and of the device

  std::vector<buffer<T, Device>> stream;
  buffer<T, Device> final_normed, logit_memory, d_stream, d_normed, losses;
  buffer<double, Device> total, work;
  typename input_layer<T, Device>::activations input_kept;
  typename input_layer<T, Device>::workspace input_work;
  typename norm<T, Device>::activations final_kept;
  typename output_layer<T, Device>::activations head_kept;
  typename output_layer<T, Device>::workspace head_work;
  sent<int, Device> target_ids;
  sent<T, Device> numbers;
  fetched<T, Device> shown;
  std::vector<int> kept_tokens;  // of the last forward, if it kept its activations
  index_t kept_batch = 0;
};

template <class Blocks>
transformer<Blocks>::transformer(Device device, model_sizes const& sizes_of_model, Blocks blocks,
                                 std::optional<std::uint64_t> seed)
    : shape(sizes_of_model), on(std::move(device)), stages(std::move(blocks)) {
  auto const at_least_one = [](char const* name, index_t value) {
    if (value < 1) throw value_error(message("basin::lm::transformer: ", name, " is ", value, "; it must be >= 1"));
  };
  at_least_one("vocabulary", shape.vocabulary);
  at_least_one("dim", shape.dim);
  at_least_one("context", shape.context);
  at_least_one("the number of blocks", static_cast<index_t>(stages.count()));
  index_t const dim = shape.dim;
  for_each_layer([&](int l, auto& layer) {
    if (layer.config().dim != dim)
      throw value_error(message("basin::lm::transformer: dim is ", dim, ", but the attention of layer ", l, " has dim ",
                                layer.config().dim, "; give all blocks the same"));
  });
  input = input_layer<T, Device>(shape);
  if (shape.order == norm_order::pre) final_norm = norm<T, Device>(dim, shape.norm);
  head = output_layer<T, Device>(shape);
  named = parameters_on_host<T>(*this), resident = parameters_on_device<T>(*this);
  if (!has_memory<Device> || !seed) return;
  philox random(*seed);
  initial_scale const scale{0.02, 0.02 / std::sqrt(2.0 * static_cast<double>(stages.count()))};
  weights("", [&](std::string const&, auto& w) {
    if constexpr (has_memory<Device>) w.initialise(random, scale), w.send(on);
  });
}

template <class Blocks>
template <class F>
void transformer<Blocks>::weights(std::string const& prefix, F const& f) {
  input.weights(prefix, f);
  stages.each([&](int l, auto& stage) { stage.block.weights(prefix + "layers." + std::to_string(l) + ".", f); });
  final_norm.weights(prefix + "norm.", f);
  head.weights(prefix, f);
}

template <class Blocks>
void transformer<Blocks>::require_input(std::span<int const> tokens, index_t batch, index_t length) const {
  if (batch < 1 || length < 1 || std::ssize(tokens) != batch * length)
    throw shape_error(message("basin::lm::transformer: ", tokens.size(), " tokens for a batch of ", batch, " x ",
                              length, "; give batch * length of them, at least one"));
  if (length > shape.context)
    throw shape_error(message("basin::lm::transformer: length is ", length, ", the context is ", shape.context,
                              "; shorten the sequence or build a model with a longer context"));
  nn::detail::require_tokens("transformer", tokens, shape.vocabulary);
}

/// Gives every block its part of the residual stream: memory of its own where activations are kept, else one buffer.
template <class Blocks>
void transformer<Blocks>::prepare(index_t rows, activations keep) {
  kept_tokens.clear();
  bool const own = keep == activations::keep;
  stream.resize(std::max(stream.size(), own ? 2 * stages.count() + 1 : std::size_t{1}));
  stages.each([&](int l, auto& stage) {
    auto const part = [&](std::size_t i) {
      return stream[own ? 2 * static_cast<std::size_t>(l) + i : 0].take(rows, shape.dim);
    };
    activations_of(stage, keep).stream = {part(0), part(1), part(2)};
  });
}

template <class Blocks>
template <class Adapt>
view<typename transformer<Blocks>::value_type, 2> transformer<Blocks>::logits(std::span<int const> tokens, int batch,
                                                                              int length, Adapt adapt,
                                                                              activations keep) {
  require_input(tokens, batch, length);
  prepare(std::ssize(tokens), keep);
  input.forward(on, tokens, length, 0, stream.front().take(std::ssize(tokens), shape.dim), input_kept);
  view<T, 2> output;
  stages.each([&](int l, auto& stage) {
    auto& used = activations_of(stage, keep);
    stage.block.forward(on, batch, used, l, adapt);
    output = used.stream.output;
  });
  auto const made = make_logits(output);
  if (keep == activations::keep) {
    kept_tokens.assign(tokens.begin(), tokens.end());
    kept_batch = batch;
  }
  return made;
}

template <class Blocks>
void transformer<Blocks>::require_cache(cache_type const& cache, index_t added) {
  bool fits = cache.layers() == stages.count();
  for_each_layer([&](int l, auto& layer) {
    fits = fits && cache.layer(l).shape_of() == layer.make_cache(cache.batch(), 0).shape_of().with(cache.capacity());
  });
  if (!fits)
    throw shape_error("basin::lm::transformer: the cache was made for another model; make_cache() makes one");
  if (cache.length() + added > std::min<index_t>(cache.capacity(), shape.context))
    throw shape_error(message("basin::lm::transformer: the cache holds ", cache.length(), " of ",
                              std::min<index_t>(cache.capacity(), shape.context), " tokens, ", added,
                              " more do not fit; truncate it or build a model with a longer context"));
}

template <class Blocks>
template <class Adapt>
std::span<typename transformer<Blocks>::value_type const> transformer<Blocks>::extend(cache_type& cache,
                                                                                      std::span<int const> tokens,
                                                                                      Adapt adapt) {
  index_t const batch = cache.batch(), length = std::ssize(tokens) / batch;
  require_input(tokens, batch, length);
  require_cache(cache, length);
  prepare(std::ssize(tokens), activations::discard);
  input.forward(on, tokens, length, cache.length(), stream.front().take(std::ssize(tokens), shape.dim), input_kept);
  view<T, 2> output;
  stages.each([&](int l, auto& stage) {
    auto& used = activations_of(stage, activations::discard);
    stage.block.decode(on, cache.layer(l), used, l, adapt);
    output = used.stream.output;
  });
  return shown.get(on, make_logits(output));
}

template <class Blocks>
view<typename transformer<Blocks>::value_type, 2> transformer<Blocks>::make_logits(view<T, 2> of) {
  index_t const rows = of.extent(0);
  auto const made = logit_memory.take(rows, shape.vocabulary);
  if (!final_norm.is_empty()) final_norm.forward(on, of, final_normed.take(rows, shape.dim), final_kept);
  head.forward(on, input_of_head(of), input.table().matrix(), made, head_kept);
  return made;
}

template <class Blocks>
void transformer<Blocks>::require_gradients(index_t count) const {
  if (kept_tokens.empty())
    throw value_error("basin::lm::transformer: backward has no activations; call forward with activations::keep before "
                      "each backward");
  index_t const expected = std::ssize(kept_tokens) * shape.vocabulary;
  if (count != expected)
    throw shape_error(message("basin::lm::transformer: ", count, " gradients of ", expected,
                              " logits; there must be one for each"));
}

template <class Blocks>
void transformer<Blocks>::cross_entropy(view<T, 2> of, std::span<int const> targets,
                                        std::span<T const> weight_of_rows) {
  nn::detail::require_cross_entropy<T>("cross_entropy", of, targets, weight_of_rows);
  nn::cross_entropy(on, of, target_ids.put(on, targets), numbers.put(on, weight_of_rows),
                    losses.vector(std::ssize(targets)), of, total.take(1));
}

template <class Blocks>
template <class Adapt>
void transformer<Blocks>::backward(view<T const, 2> dlogits, Adapt adapt) {
  require_gradients(dlogits.extent(0) * dlogits.extent(1));
  std::vector<int> const tokens = std::exchange(kept_tokens, {});
  index_t const rows = std::ssize(tokens);
  auto const dstream = d_stream.take(rows, shape.dim);
  backward_head(dlogits, dstream);
  stages.each_backwards([&](int l, auto& stage) {
    stage.block.backward(on, kept_batch, dstream, stage.kept, stages.scratch_of(stage).work, l, adapt);
  });
  input.backward(on, tokens, rows / kept_batch, dstream, input_kept, input_work);
}

/// Starts the gradient of the stream.
template <class Blocks>
void transformer<Blocks>::backward_head(view<T const, 2> dlogits, view<T, 2> dstream) {
  index_t const rows = dlogits.extent(0);
  view<T, 2> output;
  stages.each([&](int, auto& stage) { output = stage.kept.stream.output; });
  auto const dinput = final_norm.is_empty() ? dstream : d_normed.take(rows, shape.dim);
  head.backward(on, input_of_head(output), dlogits, input.table(), dinput, head_kept, head_work);
  if (final_norm.is_empty()) return;
  nn::fill(on, std::span<T>(dstream.data_handle(), static_cast<std::size_t>(rows * shape.dim)), T(0));
  final_norm.backward(on, output, final_kept, dinput, dstream);
}

template <class Blocks>
nn::adamw_state<typename transformer<Blocks>::value_type> transformer<Blocks>::fetch(moments const& m) {
  nn::adamw_state<T> state{m.steps, std::vector<T>(m.first.size()), std::vector<T>(m.second.size())};
  on.get(m.first.data(), std::span(state.first));
  on.get(m.second.data(), std::span(state.second));
  return state;
}
template <class Blocks>
typename transformer<Blocks>::moments transformer<Blocks>::send(nn::adamw_state<T> const& state) {
  using memory = typename Device::template memory<T>;
  moments m{state.steps, memory(state.first.size()), memory(state.second.size())};
  on.put(std::span<T const>(state.first), m.first.data());
  on.put(std::span<T const>(state.second), m.second.data());
  return m;
}

template <class Device, class Blocks>
transformer(Device, model_sizes, Blocks, std::optional<std::uint64_t>) -> transformer<Blocks>;

}  // namespace basin::lm
