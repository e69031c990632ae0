// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/lm/pretrained/hugging_face.hpp"

namespace basin::lm {

/// LLaDA-8B and 1.5, and the text part of MMaDA-8B: Llama's blocks, an attention that sees all keys, logits about the
/// token in their own place.
///
/// Source    Nie et al. 2025, arXiv 2502.09992; modeling_llada.py in the checkpoints' folders
inline pretrained_model llada_model(config_entries const& c, nlohmann::ordered_json const& raw) {
  using namespace detail;
  if (c.gives("block_type")) c.choice("block_type", {"llama"});
  if (c.gives("activation_type")) c.choice("activation_type", {"silu"});
  if (c.gives("layer_norm_type")) c.choice("layer_norm_type", {"rms"});
  require_absent(c, raw, "alibi", "ALiBi");
  require_absent(c, raw, "attention_layer_norm", "a norm of queries and keys");
  require_absent(c, raw, "include_bias", "a bias");
  require_absent(c, raw, "include_qkv_bias", "a bias");
  require_absent(c, raw, "scale_logits", "a scale of the logits");
  require_absent(c, raw, "input_emb_norm", "a norm of the embedding");
  pretrained_model m;
  m.sees = attention_span::full, m.about = logits_of::this_token;
  auto const rows = c.gives("new_vocab_size")   ? "new_vocab_size"  // MMaDA's, with the codes of images
                    : c.gives("embedding_size") ? "embedding_size"
                                                : "vocab_size";
  m.shape.sizes = {.vocabulary = size_of(c, rows, most_tokens),
                   .dim = size_of(c, "d_model", most_width),
                   .context = size_of(c, "max_sequence_length", most_context),
                   .head = head_of(c, raw, "weight_tying"),
                   .norm = {norm_kind::rms, c.number("rms_norm_eps", from_to(0.0f, 1.0f))}};
  m.shape.layers = size_of(c, "n_layers", most_layers);
  m.shape.mlp = {mlp_kind::swiglu, size_of(c, "mlp_hidden_size", most_width * 8)};
  int const heads = size_of(c, "n_heads", most_width);
  m.shape.attention = {.dim = m.shape.sizes.dim,
                       .heads = heads,
                       .kv_heads = size_or(c, "n_kv_heads", most_width, heads),
                       .positions = rotary_of(c),
                       .context = m.shape.sizes.context};
  m.mask_token = token_or_none(c, "mask_token_id", m.shape.sizes.vocabulary);
  m.end_tokens = end_tokens(c, raw, m.shape.sizes.vocabulary);
  m.prefixes = {"model.transformer.", "transformer.", ""};
  m.tensors = {{"embedding.weight", "wte.weight"},
               {"layers.#.attention_norm.weight", "blocks.#.attn_norm.weight"},
               {"layers.#.attention.query.weight", "blocks.#.q_proj.weight"},
               {"layers.#.attention.key.weight", "blocks.#.k_proj.weight"},
               {"layers.#.attention.value.weight", "blocks.#.v_proj.weight"},
               {"layers.#.attention.output.weight", "blocks.#.attn_out.weight"},
               {"layers.#.mlp_norm.weight", "blocks.#.ff_norm.weight"},
               {"layers.#.mlp.gate.weight", "blocks.#.ff_proj.weight"},
               {"layers.#.mlp.up.weight", "blocks.#.up_proj.weight"},
               {"layers.#.mlp.down.weight", "blocks.#.ff_out.weight"},
               {"norm.weight", "ln_f.weight"}};
  if (m.shape.sizes.head == output_head::untied) m.tensors.push_back({"head.weight", "ff_out.weight"});
  return m;
}

}  // namespace basin::lm
