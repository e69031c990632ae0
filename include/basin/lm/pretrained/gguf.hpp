// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <utility>

#include "basin/lm/io/gguf.hpp"
#include "basin/lm/pretrained/pretrained_model.hpp"

namespace basin::lm {

namespace detail {

inline std::vector<tensor_source> gguf_tensors(decoder_config const& shape, stored_layout of_heads) {
  std::vector<tensor_source> all{{"embedding.weight", "token_embd.weight"},
                                 {"layers.#.attention_norm.weight", "blk.#.attn_norm.weight"},
                                 {"layers.#.attention.query.weight", "blk.#.attn_q.weight", of_heads},
                                 {"layers.#.attention.key.weight", "blk.#.attn_k.weight", of_heads},
                                 {"layers.#.attention.value.weight", "blk.#.attn_v.weight"},
                                 {"layers.#.attention.output.weight", "blk.#.attn_output.weight"},
                                 {"layers.#.mlp_norm.weight", "blk.#.ffn_norm.weight"},
                                 {"layers.#.mlp.gate.weight", "blk.#.ffn_gate.weight"},
                                 {"layers.#.mlp.up.weight", "blk.#.ffn_up.weight"},
                                 {"layers.#.mlp.down.weight", "blk.#.ffn_down.weight"},
                                 {"norm.weight", "output_norm.weight"}};
  if (shape.attention.bias == projection_bias::qkv)
    for (auto const& [ours, theirs] : {std::pair{"query", "q"}, {"key", "k"}, {"value", "v"}})
      all.push_back({message("layers.#.attention.", ours, ".bias"), message("blk.#.attn_", theirs, ".bias")});
  if (shape.attention.head_norm == qk_norm::rms)
    for (auto const& [ours, theirs] : {std::pair{"query", "q"}, {"key", "k"}})
      all.push_back({message("layers.#.attention.", ours, "_norm.weight"),
                     message("blk.#.attn_", theirs, "_norm.weight")});
  if (shape.sizes.head == output_head::untied) all.push_back({"head.weight", "output.weight"});
  return all;
}

}  // namespace detail

/// The model of a GGUF file of the architecture llama, qwen2 or qwen3. Its rows of queries and keys become those that
/// Hugging Face transformers has.
///
/// Source    docs/gguf.md of ggml-org/ggml; convert_hf_to_gguf.py of ggml-org/llama.cpp for the order of rows
/// Throws    file_error: another architecture, an entry that is missing or breaks its rule
inline pretrained_model gguf_model(gguf_file const& file) {
  auto const& data = file.metadata;
  std::string const kind = data.text("general.architecture");
  if (kind != "llama" && kind != "qwen2" && kind != "qwen3")
    data.refuse("general.architecture", "one of llama, qwen2, qwen3");
  auto const name = [&](char const* entry) { return kind + "." + entry; };
  auto const size = [&](char const* entry) { return data.number(name(entry), from_to(1, 1 << 24)); };
  auto const size_or = [&](char const* entry, int usual) { return data.has(name(entry)) ? size(entry) : usual; };
  if (data.has(name("rope.scaling.type")) && data.text(name("rope.scaling.type")) != "none")
    data.refuse(name("rope.scaling.type"), "none: scaled rotary positions of GGUF are not read");
  auto const& table = file.tensors.at("token_embd.weight");
  pretrained_model m{.architecture = kind};
  m.shape.sizes = {
      .vocabulary = static_cast<int>(table.shape.empty() ? 0 : table.shape.front()),
      .dim = size("embedding_length"),
      .context = size("context_length"),
      .head = file.tensors.find("output.weight") == nullptr ? output_head::tied : output_head::untied,
      .norm = {norm_kind::rms, data.number(name("attention.layer_norm_rms_epsilon"), from_to(0.0f, 1.0f))}};
  m.shape.layers = size("block_count");
  m.shape.mlp = {mlp_kind::swiglu, size("feed_forward_length")};
  int const heads = size("attention.head_count");
  double const base =
      data.has(name("rope.freq_base")) ? data.number(name("rope.freq_base"), from_to(1.0, 1e12)) : 1e4;
  m.shape.attention = {.dim = m.shape.sizes.dim,
                       .heads = heads,
                       .kv_heads = size_or("attention.head_count_kv", heads),
                       .head_dim = size_or("attention.key_length", 0),
                       .bias = kind == "qwen2" ? projection_bias::qkv : projection_bias::none,
                       .head_norm = kind == "qwen3" ? qk_norm::rms : qk_norm::none,
                       .norm_epsilon = m.shape.sizes.norm.epsilon,
                       .positions = rotary_config{.base = base},
                       .context = m.shape.sizes.context};
  auto const token = [&](char const* entry) -> std::optional<int> {
    if (!data.has(entry)) return {};
    return data.number(entry, from_to(0, m.shape.sizes.vocabulary - 1));
  };
  try {
    validate(m.shape);
  } catch (value_error const& why) {
    throw file_error{message("basin: ", file.tensors.origin(), ": its metadata make no model: ", why.what())};
  }
  m.begin_token = token("tokenizer.ggml.bos_token_id");
  if (auto const end = token("tokenizer.ggml.eos_token_id")) m.end_tokens = {*end};
  m.tensors = detail::gguf_tensors(
      m.shape, kind == "llama" ? stored_layout::heads_of_neighbours : stored_layout::as_it_is);
  m.unused = {"rope_freqs.weight"};
  return m;
}

}  // namespace basin::lm
