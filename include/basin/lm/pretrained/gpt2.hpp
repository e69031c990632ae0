// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <string>

#include "basin/lm/pretrained/hugging_face.hpp"

namespace basin::lm {

namespace detail {

/// GPT-2's names; `layout` is that of its matrices, and query, key and value are one of them.
inline std::vector<tensor_source> gpt2_tensors(index_t dim, stored_layout layout) {
  std::vector<tensor_source> all{{"embedding.weight", "wte.weight"}, {"positions.weight", "wpe.weight"}};
  auto const add = [&](std::string const& ours, std::string const& theirs, stored_layout how, index_t first = 0) {
    all.push_back({ours + ".weight", theirs + ".weight", how, first});
    all.push_back({ours + ".bias", theirs + ".bias", stored_layout::as_it_is, first});
  };
  add("layers.#.attention_norm", "h.#.ln_1", stored_layout::as_it_is);
  index_t first = 0;
  for (auto const name : {"query", "key", "value"}) {
    add(std::string("layers.#.attention.") + name, "h.#.attn.c_attn", layout, first);
    first += dim;
  }
  add("layers.#.attention.output", "h.#.attn.c_proj", layout);
  add("layers.#.mlp_norm", "h.#.ln_2", stored_layout::as_it_is);
  add("layers.#.mlp.up", "h.#.mlp.c_fc", layout);
  add("layers.#.mlp.down", "h.#.mlp.c_proj", layout);
  add("norm", "ln_f", stored_layout::as_it_is);
  return all;
}

}  // namespace detail

/// GPT-2 of any size: learned positions, LayerNorm, GELU by tanh, biases everywhere, the head tied to the embedding.
///
/// Source    Radford et al. 2019; modeling_gpt2.py of Hugging Face transformers, whose Conv1D keeps [inputs, outputs]
inline pretrained_model gpt2_model(config_entries const& c, nlohmann::ordered_json const& raw) {
  using namespace detail;
  if (c.gives("activation_function")) c.choice("activation_function", {"gelu_new", "gelu_pytorch_tanh"});
  require_absent(c, raw, "scale_attn_by_inverse_layer_idx", "a scale of scores by layer");
  pretrained_model m;
  int const dim = size_of(c, "n_embd", most_width);
  float const epsilon =
      c.gives("layer_norm_epsilon") ? c.number("layer_norm_epsilon", from_to(0.0f, 1.0f)) : 1e-5f;
  m.shape.sizes = {.vocabulary = size_of(c, "vocab_size", most_tokens),
                   .dim = dim,
                   .context = size_of(c, c.gives("n_positions") ? "n_positions" : "n_ctx", most_context),
                   .head = c.gives("tie_word_embeddings") ? head_of(c, raw, "tie_word_embeddings") : output_head::tied,
                   .positions = position_table::learned,
                   .norm = {norm_kind::layer, epsilon}};
  m.shape.layers = size_of(c, "n_layer", most_layers);
  m.shape.mlp = {mlp_kind::gelu_tanh, size_or(c, "n_inner", most_width * 8, 4 * dim), linear_bias::with};
  m.shape.attention = {.dim = dim,
                       .heads = size_of(c, "n_head", most_width),
                       .bias = projection_bias::all,
                       .context = m.shape.sizes.context};
  m.begin_token = token_or_none(c, "bos_token_id", m.shape.sizes.vocabulary);
  m.end_tokens = end_tokens(c, raw, m.shape.sizes.vocabulary);
  m.tensors = gpt2_tensors(dim, stored_layout::transposed);
  if (m.shape.sizes.head == output_head::untied) m.tensors.push_back({"head.weight", "/lm_head.weight"});
  m.prefixes = {"transformer.", ""};
  m.unused = {"h.#.attn.bias", "h.#.attn.masked_bias", "/lm_head.weight"};
  return m;
}

}  // namespace basin::lm
