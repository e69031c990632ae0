// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Models of Llama's architecture in the files of Hugging Face transformers: Llama 2, 3 and 3.1, SmolLM2; Qwen2 and
// 2.5, which add a vector to queries, keys and values; Qwen3, which normalizes queries and keys; Dream, which is
// Qwen2.5 with an attention that sees all keys.

#include "basin/lm/pretrained/hugging_face.hpp"

namespace basin::lm {

namespace detail {

/// What these models have in common.
inline pretrained_model llama_like(config_entries const& c, nlohmann::ordered_json const& raw) {
  if (c.gives("hidden_act")) c.choice("hidden_act", {"silu"});
  require_absent(c, raw, "mlp_bias", "a bias of the MLP");
  require_absent(c, raw, "use_sliding_window", "a sliding window");
  pretrained_model m;
  auto& shape = m.shape;
  shape.sizes = {.vocabulary = size_of(c, "vocab_size", most_tokens),
                 .dim = size_of(c, "hidden_size", most_width),
                 .context = size_of(c, "max_position_embeddings", most_context),
                 .head = head_of(c, raw, "tie_word_embeddings"),
                 .norm = {norm_kind::rms, c.number("rms_norm_eps", from_to(0.0f, 1.0f))}};
  shape.layers = size_of(c, "num_hidden_layers", most_layers);
  shape.mlp = {mlp_kind::swiglu, size_of(c, "intermediate_size", most_width * 8)};
  int const heads = size_of(c, "num_attention_heads", most_width);
  shape.attention = {.dim = shape.sizes.dim,
                     .heads = heads,
                     .kv_heads = size_or(c, "num_key_value_heads", most_width, heads),
                     .head_dim = c.gives("head_dim") ? size_of(c, "head_dim", most_width) : 0,
                     .norm_epsilon = shape.sizes.norm.epsilon,
                     .positions = rotary_of(c),
                     .context = shape.sizes.context};
  m.begin_token = token_or_none(c, "bos_token_id", shape.sizes.vocabulary);
  m.end_tokens = end_tokens(c, raw, shape.sizes.vocabulary);
  m.prefixes = {"model.", ""};
  m.unused = {"layers.#.self_attn.rotary_emb.inv_freq"};
  return m;
}

inline pretrained_model with_tensors(pretrained_model m) {
  m.tensors = llama_tensors(m.shape);
  if (m.shape.sizes.head == output_head::untied) m.tensors.push_back({"head.weight", "/lm_head.weight"});
  return m;
}

}  // namespace detail

/// Source    Touvron et al. 2023, arXiv 2302.13971; modeling_llama.py of Hugging Face transformers
inline pretrained_model llama_model(config_entries const& c, nlohmann::ordered_json const& raw) {
  auto m = detail::llama_like(c, raw);
  if (detail::is_set(c, raw, "attention_bias")) m.shape.attention.bias = projection_bias::all;
  return detail::with_tensors(std::move(m));
}

/// Source    Yang et al. 2024, arXiv 2407.10671 and 2412.15115
inline pretrained_model qwen2_model(config_entries const& c, nlohmann::ordered_json const& raw) {
  auto m = detail::llama_like(c, raw);
  m.shape.attention.bias = projection_bias::qkv;
  return detail::with_tensors(std::move(m));
}

/// Source    Yang et al. 2025, arXiv 2505.09388
inline pretrained_model qwen3_model(config_entries const& c, nlohmann::ordered_json const& raw) {
  auto m = detail::llama_like(c, raw);
  if (detail::is_set(c, raw, "attention_bias")) m.shape.attention.bias = projection_bias::all;
  m.shape.attention.head_norm = qk_norm::rms;
  return detail::with_tensors(std::move(m));
}

/// Logits are about the next token, although attention sees all of them: Dream was made of Qwen2.5.
///
/// Source    Ye et al. 2025, arXiv 2508.15487
inline pretrained_model dream_model(config_entries const& c, nlohmann::ordered_json const& raw) {
  auto m = qwen2_model(c, raw);
  m.sees = attention_span::full;
  m.mask_token = detail::token_or_none(c, "mask_token_id", m.shape.sizes.vocabulary);
  return m;
}

}  // namespace basin::lm
