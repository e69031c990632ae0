// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The architecture of Llama (Touvron et al. 2023, arXiv 2302.13971): pre-norm RMSNorm, rotary positions, SwiGLU, no
// biases, key heads that query heads share. Its norm, its MLP, a gate and a norm of queries and keys can be exchanged.

#include <cstdint>
#include <utility>

#include "basin/lm/models/decoder.hpp"
#include "basin/lm/models/llama_config.hpp"

namespace basin::lm {

/// The parts of a decoder that a configuration asks for.
///
/// Throws    value_error: sizes that make no model
inline decoder_config decoder_of(llama_config const& c) {
  validate(c);
  return {.sizes = c.sizes(), .layers = c.layers, .attention = c.attention(), .mlp = {c.mlp, c.hidden}};
}

/// A language model of Llama's architecture, autoregressive or not as its mask says.
///
/// Attention one attention<...> for all layers; attention_by_name for policies that differ by layer and head
/// Tensors   embedding.weight; of every layer N: layers.N.attention_norm.weight, layers.N.attention.{query, key, value,
///           output}.weight, learned numbers of normalizers as layers.N.attention.NAME, layers.N.mlp_norm.weight,
///           layers.N.mlp.{gate, up, down}.weight; norm.weight; head.weight unless it is tied
/// Errors    those of decoder
template <class Attention = attention<>, class T = float, class Device = host>
class llama : public decoder<Attention, T, Device> {
 public:
  using base = decoder<Attention, T, Device>;
  using base::by_name;

  explicit llama(llama_config const& c, std::uint64_t seed = 0, Attention use = {}, Device device = {})
    requires(!by_name)
      : base(decoder_of(c), seed, std::move(use), std::move(device)), shape(c) {}
  llama(llama_config const& c, std::uint64_t seed, model_policies of_layers, Device device = {})
    requires by_name
      : base(decoder_of(c), seed, std::move(of_layers), std::move(device)), shape(c) {}

  llama_config const& config() const { return shape; }
  /// Another model with the same policies, and weights of its own.
  llama twin() const { return twin(shape); }
  llama twin(llama_config const& c) const { return llama(c, 0, this->policies_of_layers()); }

 private:
  llama_config shape;
};

}  // namespace basin::lm
