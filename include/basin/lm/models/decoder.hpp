// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A language model whose blocks are alike: what GPT-2, Llama, Qwen, LLaDA, Dream and BERT are, each with other parts.

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/policies/model_policies.hpp"
#include "basin/lm/transformer.hpp"

namespace basin::lm {

/// The sizes and parts of a decoder. The attention of every layer is `attention`, with the policies of the model.
struct decoder_config {
  model_sizes sizes;
  int layers = 0;
  attention_config attention;  // its dim and context are those of sizes
  mlp_config mlp;
};

/// Throws value_error for sizes that make no decoder.
inline void validate(decoder_config const& c) {
  if (c.layers < 1) throw value_error(message("basin::lm::decoder: layers is ", c.layers, "; it must be at least 1"));
  c.attention.resolved();
}

/// A transformer of blocks that are alike, autoregressive or not as its mask says.
///
/// Attention one attention<...> for all layers; attention_by_name for policies that differ by layer and head. Policies
///           by name add a gate and norms of queries and keys to those that the configuration has
/// Tensors   those of transformer; layers.N.attention_norm.*, layers.N.attention.*, layers.N.mlp_norm.*, layers.N.mlp.*
/// Errors    value_error for a configuration that makes no model; those of transformer
template <class Attention = attention<>, class T = float, class Device = host>
class decoder : public transformer<std::vector<block<attention_layer<Attention, T, Device>>>> {
  using layer_type = attention_layer<Attention, T, Device>;
  using blocks = std::vector<block<layer_type>>;

 public:
  using base = transformer<blocks>;
  /// Whether policies are chosen by name, for every layer and head.
  static constexpr bool by_name = layer_type::by_name;
  using policies_type = std::conditional_t<by_name, model_policies, Attention>;

  /// Without a seed, all weights are 0 until they are read from a file.
  explicit decoder(decoder_config const& c, std::optional<std::uint64_t> seed = 0, Attention use = {},
                   Device device = {})
    requires(!by_name)
      : decoder(c, seed, device, use,
                blocks_of(device, c, [&](int, attention_config const& layer, auto const& rotation) {
                  return layer_type(layer, use, rotation,
                                    typename layer_type::numbers_type(use.normalize, layer.heads,
                                                                      Device::shared_memory()));
                })) {}
  decoder(decoder_config const& c, std::optional<std::uint64_t> seed, model_policies of_layers, Device device = {})
    requires by_name
      : decoder(c, seed, device, of_layers,
                blocks_of(device, c, [&](int l, attention_config layer, auto const& rotation) {
                  require_policies(of_layers, c);
                  auto const& mine = of_layers.layer(l);
                  if (mine.gate != output_gate::none) layer.gate = mine.gate;
                  if (mine.head_norm != qk_norm::none) layer.head_norm = mine.head_norm;
                  return layer_type(layer, mine.attention(), rotation, mine.normalizers);
                })) {}

  decoder_config const& decoder_shape() const { return shape; }
  /// The attention of all layers, or the policies of each.
  policies_type const& policies_of_layers() const { return policies; }

 private:
  decoder(decoder_config const& c, std::optional<std::uint64_t> seed, Device& device, policies_type of_layers,
          blocks made)
      : base(std::move(device), c.sizes, std::move(made), seed), shape(c), policies(std::move(of_layers)) {}

  static void require_policies(model_policies const& of, decoder_config const& c) {
    if (of.count() != c.layers)
      throw value_error(message("basin::lm::decoder: there are policies for ", of.count(),
                                " layers, but the model has ", c.layers, "; give policies for each"));
  }

  template <class MakeLayer>
  static blocks blocks_of(Device& on, decoder_config const& c, MakeLayer const& make_layer) {
    validate(c);
    attention_config const layer = c.attention.resolved();
    index_t const dim = c.sizes.dim;
    typename layer_type::rotary_type rotation;
    if constexpr (has_memory<Device>)
      if (layer.positions) rotation.emplace(on, layer.context, layer.head_dim, *layer.positions);
    blocks all;
    for (int l = 0; l < c.layers; ++l)
      all.emplace_back(norm<T, Device>(dim, c.sizes.norm), make_layer(l, layer, rotation),
                       norm<T, Device>(dim, c.sizes.norm), mlp<T, Device>(dim, c.mlp), c.sizes.order);
    return all;
  }

  decoder_config shape;
  policies_type policies;
};

}  // namespace basin::lm
