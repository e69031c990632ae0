// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Attention as a layer: projections, positions, norms of queries and keys, an output gate, and an attention with its
// five policies, whose learned numbers are parameters like the matrices.

#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "basin/attention.hpp"
#include "basin/cpu/any_normalizer.hpp"
#include "basin/lm/attention_cache.hpp"
#include "basin/lm/attention_config.hpp"
#include "basin/lm/layers/linear.hpp"
#include "basin/lm/layers/norm.hpp"
#include "basin/lm/layers/rotary.hpp"
#include "basin/lm/policies/learned_numbers.hpp"
#include "basin/lm/policies/model_normalizers.hpp"
#include "basin/lm/policies/normalizers_on_device.hpp"
#include "basin/lm/views.hpp"
#include "basin/nn/device/output_gate.hpp"
#include "basin/nn/output_gate.hpp"

namespace basin::lm {

/// The default of the Adapt arguments below: the attention of the layer, as it is.
struct as_it_is {
  template <class Attention>
  Attention operator()(Attention const& use) const {
    return use;
  }
};

/// y = output(gate * attention(rope(norm(q)), rope(norm(k)), v)), with q, k, v projected from x; norm, rope and gate
/// are optional.
///
/// Attention an attention<...>; its normalizer may be cpu::any_normalizer, then layer_normalizers say what each head
///           uses. Learned numbers of the normalizer are a tensor of the layer, one value a head, which starts with the
///           number that `use` has
/// Device    where it computes: lm::host, or a device (devices/host.hpp); all views are memory of the device
/// Adapt     a callable that gets the layer's attention and returns the one to use, with another pruner or observer for
///           instance. If it has a member projected(view<T const, 4> q, view<T const, 4> k), with or without a third
///           argument for v, that is shown the keys and queries as attention gets them. Forward and backward get the
///           same Adapt
/// Shapes    x, y [batch * length, dim]
/// Tensors   query, key, value .weight, .bias; query_norm, key_norm .weight [head_dim]; gate.weight; output .weight,
///           .bias; NORMALIZER.NUMBER [heads]: in this order, what is not used left out
/// Cost      2 rows dim (heads (head_dim + value_dim) + kv_heads (head_dim + value_dim)) flop, and those of the engine
/// Errors    value_error: a configuration that makes no layer; shape_error: rows that do not divide into sequences, or
///           lengths beyond the context of rotary positions; those of the engine
/// Determinism  run_to_run, for any number of threads
/// Example   examples/08_attention_layer.cpp
template <class Attention = basin::attention<>, class T = float, class Device = host>
class attention_layer {
 public:
  using attention_type = Attention;
  using value_type = T;
  using device_type = Device;
  using cache_type = attention_cache<T, Device>;
  using normalizer_type = std::remove_cvref_t<decltype(std::declval<Attention>().normalize)>;

  /// Whether the normalizers of the heads are chosen at run time.
  static constexpr bool by_name = std::is_same_v<normalizer_type, cpu::any_normalizer>;
  /// Whether they are, on a device with kernels for each of several normalizers.
  static constexpr bool chooses_kernels = by_name && !is_host<Device> && has_memory<Device>;
  using named_type = std::conditional_t<chooses_kernels, normalizers_on_device<Device>, layer_normalizers>;
  using numbers_type = std::conditional_t<by_name, named_type, learned_numbers<normalizer_type>>;
  using rotary_type = std::optional<rotary<T, Device>>;

  /// What a forward pass leaves for its backward pass, which uses it up.
  struct activations {
    buffer<T, Device> qkv, turned, attended, gates, gated;
    std::vector<typename norm<T, Device>::activations> norms;
    index_t rows = 0;  // of the forward pass that a backward pass may follow; 0: none
  };
  /// Memory of a backward pass; layers may share it.
  struct workspace {
    buffer<T, Device> d_attended, d_qkv, d_turned, d_gates;
  };

  attention_layer(Device& on, attention_config const& c, Attention const& with = {})
    requires(!by_name)
      : attention_layer(c.resolved(), with, rotary_of(on, c.resolved()),
                        numbers_type(with.normalize, c.heads, Device::shared_memory())) {}
  attention_layer(Device& on, attention_config const& c, Attention const& with, layer_normalizers of_heads)
    requires(by_name)
      : attention_layer(c.resolved(), with, rotary_of(on, c.resolved()), std::move(of_heads)) {}
  /// With a table of positions that other layers share.
  attention_layer(attention_config const& c, Attention const& with, rotary_type positions, numbers_type of_heads)
      : sizes(c.resolved()), use(with), numbers(std::move(of_heads)), turn(std::move(positions)) {
    if constexpr (chooses_kernels) use.score = numbers.keep(use.score);
    make_weights();
  }

  attention_config const& config() const { return sizes; }
  /// The policies; a normalizer by name, or with learned numbers, is bound to them in each call.
  Attention const& policies() const { return use; }
  numbers_type const& normalizers() const { return numbers; }
  /// The normalizer with the learned numbers of now, until the next call of the layer.
  normalizer_type bound_normalizer(Device& on) { return numbers.bind(learned_values(on)); }
  cache_type make_cache(index_t batch, index_t capacity) const { return cache_type(cache_shape(batch, capacity)); }

  /// The tensors as the host has them, or as the device does.
  std::vector<nn::parameter<T>> parameters() { return parameters_on_host<T>(*this); }
  std::vector<nn::parameter<T>> device_parameters() { return parameters_on_device<T>(*this); }
  /// Draws the first values of all tensors and uploads them.
  void initialise(Device& on, philox& random, initial_scale const& scale = {}) {
    weights("", [&](std::string const&, auto& w) { w.initialise(random, scale), w.send(on); });
  }

  template <class Adapt = as_it_is>
  void forward(Device& on, nn::const_view<T, 2> x, view<T, 2> y, index_t batch, activations& kept,
               Adapt const& adapt = {}, nn::update how = nn::update::replace) {
    require_rows(x.extent(0), batch);
    kept.rows = x.extent(0);
    project(on, x, batch, 0, kept);
    auto const out = attended(kept, x.extent(0), batch);
    show_projected(on, adapt, queries(kept, x.extent(0), batch), keys(kept, x.extent(0), batch),
                   values(kept, x.extent(0), batch));
    auto const with = adapt(bound(on));
    if constexpr (takes_numbers<decltype(with)>)
      numbers.forward(on, with, queries(kept, x.extent(0), batch), keys(kept, x.extent(0), batch),
                      values(kept, x.extent(0), batch), out);
    else
      on.forward(with, queries(kept, x.extent(0), batch), keys(kept, x.extent(0), batch),
                 values(kept, x.extent(0), batch), out);
    finish(on, x, y, batch, kept, how);
  }

  /// The same for tokens that follow those in a cache, which they join.
  template <class Adapt = as_it_is>
  void decode(Device& on, nn::const_view<T, 2> x, view<T, 2> y, cache_type& cache, activations& scratch,
              Adapt const& adapt = {}, nn::update how = nn::update::replace) {
    index_t const rows = x.extent(0), batch = cache.shape_of().batch;
    scratch.rows = 0;
    require_rows(rows, batch);
    if (!(cache.shape_of() == cache_shape(batch, cache.capacity())))
      throw shape_error("basin::lm::attention_layer: the cache was made for a layer of other sizes; "
                        "make_cache() makes one");
    project(on, x, batch, cache.length(), scratch);
    cache.append(on, keys(scratch, rows, batch), values(scratch, rows, batch));
    view<T const, 4> const q = queries(scratch, rows, batch), k = cache.keys(), v = cache.values();
    show_projected(on, adapt, q, k, v);
    auto const with = adapt(bound(on));
    if constexpr (takes_numbers<decltype(with)>) numbers.forward(on, with, q, k, v, attended(scratch, rows, batch));
    else on.decode(with, q, k, v, attended(scratch, rows, batch));
    finish(on, x, y, batch, scratch, how);
  }

  /// The gradient of x, written, and those of the tensors, added, of a forward pass with the same x and adapt.
  template <class Adapt = as_it_is>
  void backward(Device& on, nn::const_view<T, 2> x, nn::const_view<T, 2> dy, view<T, 2> dx, index_t batch,
                activations& kept, workspace& work, Adapt const& adapt = {}) {
    index_t const rows = x.extent(0);
    require_rows(rows, batch);
    if (std::exchange(kept.rows, 0) != rows)
      throw value_error("basin::lm::attention_layer: backward has no activations of a forward pass of these rows; call "
                        "forward before each backward");
    auto const d_out = work.d_attended.take(rows, sizes.attended_columns());
    auto const d_qkv = work.d_qkv.take(rows, sizes.qkv_columns());
    to_output.backward_weight(on, output_rows(kept, rows), dy);
    to_output.backward_input(on, dy, d_out);
    if (!gate.is_empty()) backward_gate(on, x, batch, kept, work);
    backward_attention(on, rows, batch, kept, work, adapt);
    if (normed()) backward_norms(on, rows, kept, work);
    to_qkv.backward_weight(on, x, d_qkv);
    to_qkv.backward_input(on, d_qkv, dx);
    if (!gate.is_empty())
      gate.backward_input(on, work.d_gates.take(rows, sizes.gate_columns()), dx, nn::update::add);
  }

  /// Moves learned numbers that an optimizer took out of their range back to its edge.
  void clamp(Device& on) {
    if (learned.is_empty()) return;
    learned.fetch(on);
    numbers.clamp(learned.values_on_host().data());
    learned.send(on);
  }

  /// f(prefix, weight) for all tensors, in their order.
  template <class F>
  void weights(std::string const& prefix, F const& f) {
    to_qkv.weights(prefix, f);
    query_norm.weights(prefix + "query_norm.", f);
    key_norm.weights(prefix + "key_norm.", f);
    gate.weights(prefix, f);
    to_output.weights(prefix, f);
    if (!learned.is_empty()) f(prefix, learned);
  }

 private:
  void make_weights() {
    auto const bias_of = [&](bool has) { return has ? linear_bias::with : linear_bias::without; };
    index_t const h = sizes.heads, hk = sizes.kv_heads;
    to_qkv = linear<T, Device>(sizes.dim,
                               {{"query", h * sizes.head_dim},
                                {"key", hk * sizes.head_dim},
                                {"value", hk * sizes.value_dim}},
                               bias_of(sizes.bias != projection_bias::none), first_values::normal, sizes.projections);
    to_output = linear<T, Device>(h * sizes.value_dim, {{"output", sizes.dim}},
                                  bias_of(sizes.bias == projection_bias::all), first_values::residual);
    if (sizes.gate != output_gate::none)
      gate = linear<T, Device>(sizes.dim, {{"gate", sizes.gate_columns()}});
    if (sizes.head_norm != qk_norm::none) {
      norm_config const c{norm_kind::rms, sizes.norm_epsilon};
      query_norm = norm<T, Device>(sizes.head_dim, c), key_norm = norm<T, Device>(sizes.head_dim, c);
    }
    std::vector<tensor_part> parts;
    for (auto const& number : numbers.learned())
      parts.push_back({number.name, {h}, first_values::given, number.initial});
    if (!parts.empty()) learned = weight<T, Device>(parts);
  }

  static rotary_type rotary_of(Device& on, attention_config const& c) {
    if (!c.positions) return {};
    if constexpr (!has_memory<Device>) return {};
    else return rotary<T, Device>(on, c.context, c.head_dim, *c.positions);
  }
  typename cache_type::shape cache_shape(index_t batch, index_t capacity) const {
    return {batch, capacity, sizes.kv_heads, sizes.head_dim, sizes.value_dim};
  }
  void require_rows(index_t rows, index_t batch) const {
    if (batch < 1 || rows < 1 || rows % batch != 0)
      throw shape_error(message("basin::lm::attention_layer: ", rows, " rows are no batch of ", batch,
                                " sequences; give batch * length of them, at least one"));
  }
  bool normed() const { return sizes.head_norm != qk_norm::none; }

  // Where attention reads and writes: q and k lie in `turned` if they are normed, else in place.
  view<T, 2> qkv(activations& a, index_t rows) const { return a.qkv.take(rows, sizes.qkv_columns()); }
  view<T, 2> turned(activations& a, index_t rows) const {
    return normed() ? a.turned.take(rows, sizes.qk_columns()) : qkv(a, rows);
  }
  view<T, 4> queries(activations& a, index_t rows, index_t batch) const {
    return heads_of(turned(a, rows), batch, 0, sizes.heads, sizes.head_dim);
  }
  view<T, 4> keys(activations& a, index_t rows, index_t batch) const {
    return heads_of(turned(a, rows), batch, sizes.first_key(), sizes.kv_heads, sizes.head_dim);
  }
  view<T, 4> values(activations& a, index_t rows, index_t batch) const {
    return heads_of(qkv(a, rows), batch, sizes.qk_columns(), sizes.kv_heads, sizes.value_dim);
  }
  view<T, 4> attended(activations& a, index_t rows, index_t batch) const {
    return heads_of(a.attended.take(rows, sizes.attended_columns()), batch, 0, sizes.heads, sizes.value_dim);
  }
  view<T, 4> gates(buffer<T, Device>& of, index_t rows, index_t batch) const {
    return heads_of(of.take(rows, sizes.gate_columns()), batch, 0, sizes.heads, sizes.gate_columns() / sizes.heads);
  }
  view<T, 2> output_rows(activations& a, index_t rows) const {
    return (gate.is_empty() ? a.attended : a.gated).take(rows, sizes.attended_columns());
  }
  view<T, 4> queries_and_keys(view<T, 2> rows, index_t batch) const {
    return heads_of(rows, batch, 0, sizes.heads + sizes.kv_heads, sizes.head_dim);
  }
  /// Norm and columns of every head of queries and keys.
  template <class F>
  void for_each_normed_head(F const& f) {
    for (index_t h = 0; h < sizes.heads + sizes.kv_heads; ++h)
      f(h < sizes.heads ? query_norm : key_norm, h, h * sizes.head_dim);
  }

  /// q, k, v of x; q and k at their positions, which start with `first`.
  void project(Device& on, nn::const_view<T, 2> x, index_t batch, index_t first, activations& a) {
    index_t const rows = x.extent(0);
    to_qkv.forward(on, x, qkv(a, rows));
    if (normed()) {
      a.norms.resize(static_cast<std::size_t>(sizes.heads + sizes.kv_heads));
      for_each_normed_head([&](auto& by, index_t h, index_t column) {
        by.forward(on, columns_of(qkv(a, rows), column, sizes.head_dim),
                   columns_of(turned(a, rows), column, sizes.head_dim), a.norms[static_cast<std::size_t>(h)]);
      });
    }
    if (turn) turn->forward(on, queries_and_keys(turned(a, rows), batch), first);
  }

  /// Whether an attention has the normalizers of the heads, and kernels are chosen by them.
  template <class Use>
  static constexpr bool takes_numbers =
      chooses_kernels && std::is_same_v<std::remove_cvref_t<decltype(std::declval<Use>().normalize)>, normalizer_type>;

  template <class Adapt>
  void show_projected(Device& on, Adapt const& adapt, view<T const, 4> q, view<T const, 4> k, view<T const, 4> v) {
    if constexpr (requires { adapt.projected(q, k, v); })
      show(on, [&](auto... seen) { adapt.projected(seen...); }, q, k, v);
    else if constexpr (requires { adapt.projected(q, k); })
      show(on, [&](auto... seen) { adapt.projected(seen...); }, q, k);
  }

  /// The learned numbers of now, on the host; null without any.
  T const* learned_values(Device& on) {
    if (learned.is_empty()) return nullptr;
    learned.fetch(on);
    return learned.values_on_host().data();
  }
  /// The attention with the learned numbers of now.
  Attention bound(Device& on) {
    return use.replace(bound_normalizer(on));
  }

  void finish(Device& on, nn::const_view<T, 2> x, view<T, 2> y, index_t batch, activations& a, nn::update how) {
    index_t const rows = x.extent(0);
    if (!gate.is_empty()) {
      gate.forward(on, x, a.gates.take(rows, sizes.gate_columns()));
      auto const to = heads_of(a.gated.take(rows, sizes.attended_columns()), batch, 0, sizes.heads, sizes.value_dim);
      nn::output_gate_forward(on, attended(a, rows, batch), gates(a.gates, rows, batch), to);
    }
    to_output.forward(on, output_rows(a, rows), y, how);
  }

  /// The gradient of the gated output becomes that of the attention's, in the same memory.
  void backward_gate(Device& on, nn::const_view<T, 2> x, index_t batch, activations& a, workspace& work) {
    index_t const rows = x.extent(0);
    auto const d_out =
        heads_of(work.d_attended.take(rows, sizes.attended_columns()), batch, 0, sizes.heads, sizes.value_dim);
    nn::output_gate_backward(on, attended(a, rows, batch), gates(a.gates, rows, batch), d_out, d_out,
                             gates(work.d_gates, rows, batch));
    gate.backward_weight(on, x, work.d_gates.take(rows, sizes.gate_columns()));
  }

  template <class Adapt>
  void backward_attention(Device& on, index_t rows, index_t batch, activations& a, workspace& work,
                          Adapt const& adapt) {
    auto const d_qkv = work.d_qkv.take(rows, sizes.qkv_columns());
    auto const d_turned = normed() ? work.d_turned.take(rows, sizes.qk_columns()) : d_qkv;
    if (normed()) nn::fill(on, work.d_qkv.vector(rows * sizes.qkv_columns()), T(0));  // norms add to it
    auto const d_out =
        heads_of(work.d_attended.take(rows, sizes.attended_columns()), batch, 0, sizes.heads, sizes.value_dim);
    auto const with = adapt(use.replace(numbers.bind(learned_values(on), batch, rows / batch)));
    auto const call = [&](auto const& backward) {
      backward(queries(a, rows, batch), keys(a, rows, batch), values(a, rows, batch), d_out,
               heads_of(d_turned, batch, 0, sizes.heads, sizes.head_dim),
               heads_of(d_turned, batch, sizes.first_key(), sizes.kv_heads, sizes.head_dim),
               heads_of(d_qkv, batch, sizes.qk_columns(), sizes.kv_heads, sizes.value_dim));
    };
    if constexpr (takes_numbers<decltype(with)>) call([&](auto... views) { numbers.backward(on, with, views...); });
    else call([&](auto... views) { on.backward(with, views...); });
    if (!learned.is_empty()) {
      learned.fetch(on);  // waits for the rows, and brings the gradient that they are added to
      numbers.add_gradients(learned.gradient_on_host().data(), batch, rows / batch);
      learned.send_gradient(on);
    }
    if (turn) turn->backward(on, queries_and_keys(d_turned, batch));
  }

  void backward_norms(Device& on, index_t rows, activations& a, workspace& work) {
    auto const d_turned = work.d_turned.take(rows, sizes.qk_columns());
    auto const d_qkv = work.d_qkv.take(rows, sizes.qkv_columns());
    for_each_normed_head([&](auto& by, index_t h, index_t column) {
      by.backward(on, columns_of(qkv(a, rows), column, sizes.head_dim), a.norms[static_cast<std::size_t>(h)],
                  columns_of(d_turned, column, sizes.head_dim), columns_of(d_qkv, column, sizes.head_dim));
    });
  }

  attention_config sizes;
  Attention use;
  numbers_type numbers;
  rotary_type turn;
  linear<T, Device> to_qkv, to_output, gate;
  norm<T, Device> query_norm, key_norm;
  weight<T, Device> learned;
};

template <class Device, class Attention>
attention_layer(Device&, attention_config, Attention) -> attention_layer<Attention, float, Device>;

}  // namespace basin::lm
