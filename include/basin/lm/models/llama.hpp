// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The architecture of Llama (Touvron et al. 2023, arXiv 2302.13971): pre-norm RMSNorm, rotary positions, SwiGLU, no
// biases, key heads that query heads share. Its norm, its MLP, a gate and a norm of queries and keys can be exchanged.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "basin/lm/models/llama_config.hpp"
#include "basin/lm/policies/model_policies.hpp"
#include "basin/lm/transformer.hpp"

namespace basin::lm {

/// A language model of Llama's architecture, autoregressive or not as its mask says.
///
/// Attention one attention<...> for all layers; attention_by_name for policies that differ by layer and head
/// Tensors   embedding.weight; of every layer N: layers.N.attention_norm.weight, layers.N.attention.{query, key, value,
///           output}.weight, learned numbers of normalizers as layers.N.attention.NAME, layers.N.mlp_norm.weight,
///           layers.N.mlp.{gate, up, down}.weight; norm.weight; head.weight unless it is tied
/// Errors    value_error for a configuration that makes no model; those of transformer
template <class Attention = attention<>, class T = float, class Device = host>
class llama : public transformer<std::vector<block<attention_layer<Attention, T, Device>>>> {
  using layer_type = attention_layer<Attention, T, Device>;
  using blocks = std::vector<block<layer_type>>;

 public:
  using base = transformer<blocks>;
  /// Whether policies are chosen by name, for every layer and head.
  static constexpr bool by_name = layer_type::by_name;

  explicit llama(llama_config const& c, std::uint64_t seed = 0, Attention use = {}, Device device = {})
    requires(!by_name)
      : llama(c, seed, device, use,
              blocks_of(device, c, [&](int, attention_config const& layer, auto const& rotation) {
                return layer_type(layer, use, rotation,
                                  typename layer_type::numbers_type(use.normalize, c.heads, Device::shared_memory()));
              })) {}
  llama(llama_config const& c, std::uint64_t seed, model_policies of_layers, Device device = {})
    requires by_name
      : llama(c, seed, device, of_layers,
              blocks_of(device, c, [&](int l, attention_config layer, auto const& rotation) {
                require_policies(of_layers, c);
                auto const& mine = of_layers.layer(l);
                layer.gate = mine.gate, layer.head_norm = mine.head_norm;
                return layer_type(layer, mine.attention(), rotation, mine.normalizers);
              })) {}

  llama_config const& config() const { return shape; }
  /// The attention of all layers, or the policies of each.
  auto const& policies_of_layers() const { return policies; }
  /// Another model with the same policies, and weights of its own.
  llama twin() const { return twin(shape); }
  llama twin(llama_config const& c) const { return llama(c, 0, policies); }

 private:
  using policies_type = std::conditional_t<by_name, model_policies, Attention>;

  llama(llama_config const& c, std::uint64_t seed, Device& device, policies_type of_layers, blocks made)
      : base(std::move(device), c.sizes(), std::move(made), seed), shape(c), policies(std::move(of_layers)) {}

  static void require_policies(model_policies const& of, llama_config const& c) {
    if (of.count() != c.layers)
      throw value_error(message("basin::lm::llama: there are policies for ", of.count(), " layers, but the model has ",
                                c.layers, "; give policies for each"));
  }

  template <class MakeLayer>
  static blocks blocks_of(Device& on, llama_config const& c, MakeLayer const& make_layer) {
    validate(c);
    attention_config const layer = c.attention().resolved();
    norm_config const norms{c.norm, c.norm_epsilon};
    typename layer_type::rotary_type positions;
    if constexpr (has_memory<Device>) positions.emplace(on, c.context, layer.head_dim, *layer.positions);
    blocks all;
    for (int l = 0; l < c.layers; ++l)
      all.emplace_back(norm<T, Device>(c.dim, norms), make_layer(l, layer, positions), norm<T, Device>(c.dim, norms),
                       mlp<T, Device>(c.dim, {c.mlp, c.hidden}));
    return all;
  }

  llama_config shape;
  policies_type policies;
};

}  // namespace basin::lm
