// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What configurations of Hugging Face transformers have in common: names of entries, special tokens, rotary positions.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/lm/io/config_entries.hpp"
#include "basin/lm/pretrained/pretrained_model.hpp"

namespace basin::lm::detail {

/// Sizes beyond these make no model that fits a machine.
inline constexpr int most_tokens = 1 << 22, most_width = 1 << 17, most_layers = 1 << 10, most_context = 1 << 24;

inline int size_of(config_entries const& c, std::string_view name, int most) {
  return c.number(name, from_to(1, most));
}
inline int size_or(config_entries const& c, std::string_view name, int most, int usual) {
  return c.gives(name) ? size_of(c, name, most) : usual;
}

/// Refuses an entry that is there and is not false: a part that no model here has.
inline void require_absent(config_entries const& c, nlohmann::ordered_json const& raw, std::string_view name,
                           std::string_view part) {
  auto const found = raw.find(name);
  if (found != raw.end() && !found->is_null() && *found != false)
    c.refuse(name, message("false: ", part, " is not read"));
}

/// Whether an entry is there and true; it may be null.
inline bool is_set(config_entries const& c, nlohmann::ordered_json const& raw, std::string_view name) {
  if (!c.gives(name)) return false;
  auto const& found = *raw.find(name);
  if (!found.is_boolean()) c.refuse(name, "true or false");
  return found.get<bool>();
}
inline output_head head_of(config_entries const& c, nlohmann::ordered_json const& raw, std::string_view tied) {
  return is_set(c, raw, tied) ? output_head::tied : output_head::untied;
}

inline std::optional<int> token_or_none(config_entries const& c, std::string_view name, int vocabulary) {
  if (!c.gives(name)) return {};
  return c.number(name, from_to(0, vocabulary - 1));
}
/// eos_token_id is a number or a list of them.
inline std::vector<int> end_tokens(config_entries const& c, nlohmann::ordered_json const& raw, int vocabulary) {
  std::vector<int> all;
  if (!c.gives("eos_token_id")) return all;
  auto const& given = raw.at("eos_token_id");
  if (!given.is_array()) return {c.number("eos_token_id", from_to(0, vocabulary - 1))};
  for (auto const& one : given) {
    if (!one.is_number_unsigned() || one.get<std::uint64_t>() >= static_cast<std::uint64_t>(vocabulary))
      c.refuse("eos_token_id", message("a token, or a list of tokens below ", vocabulary));
    all.push_back(one.get<int>());
  }
  return all;
}

/// The scaling of rotary positions that an entry such as {"rope_type": "llama3", "factor": 8, ...} asks for.
///
/// Source    modeling_rope_utils.py of Hugging Face transformers
inline nn::rope_scaling rope_scaling_of(config_entries const& c) {
  std::string const kind = c.gives("rope_type") ? c.text("rope_type") : c.gives("type") ? c.text("type") : "default";
  auto const number = [&](std::string_view name, double usual) {
    return c.gives(name) ? c.number(name, from_to(1e-6, 1e9)) : usual;
  };
  if (kind == "default") return nn::unscaled{};
  if (kind != "linear" && kind != "llama3" && kind != "yarn")
    c.refuse(c.gives("rope_type") ? "rope_type" : "type", "one of default, linear, llama3, yarn");
  double const factor = c.number("factor", from_to(1.0, 1e6));
  if (kind == "linear") return nn::linear_scaling{factor};
  index_t const original = size_or(c, "original_max_position_embeddings", most_context, 8192);
  if (kind == "llama3")
    return nn::llama3_scaling{factor, number("low_freq_factor", 1), number("high_freq_factor", 4), original};
  return nn::yarn_scaling{factor, original, number("beta_fast", 32), number("beta_slow", 1)};
}

/// Rotary positions: rope_theta and rope_scaling, or rope_parameters with both, as transformers 5 writes it.
inline rotary_config rotary_of(config_entries const& c) {
  rotary_config positions{.base = c.gives("rope_theta") ? c.number("rope_theta", from_to(1.0, 1e12)) : 1e4};
  for (auto const name : {"rope_scaling", "rope_parameters"}) {
    if (!c.gives(name)) continue;
    auto const given = c.section(name);
    if (given.gives("rope_theta")) positions.base = given.number("rope_theta", from_to(1.0, 1e12));
    positions.scaling = rope_scaling_of(given);
  }
  return positions;
}

/// The tensors of a decoder as transformers names them for Llama, Qwen and Dream.
inline std::vector<tensor_source> llama_tensors(decoder_config const& shape) {
  std::vector<tensor_source> all{{"embedding.weight", "embed_tokens.weight"},
                                 {"layers.#.attention_norm.weight", "layers.#.input_layernorm.weight"},
                                 {"layers.#.mlp_norm.weight", "layers.#.post_attention_layernorm.weight"},
                                 {"layers.#.mlp.gate.weight", "layers.#.mlp.gate_proj.weight"},
                                 {"layers.#.mlp.up.weight", "layers.#.mlp.up_proj.weight"},
                                 {"layers.#.mlp.down.weight", "layers.#.mlp.down_proj.weight"},
                                 {"norm.weight", "norm.weight"}};
  auto const project = [&](std::string const& ours, std::string const& theirs, bool has_bias) {
    all.push_back({"layers.#.attention." + ours + ".weight", "layers.#.self_attn." + theirs + ".weight"});
    if (has_bias) all.push_back({"layers.#.attention." + ours + ".bias", "layers.#.self_attn." + theirs + ".bias"});
  };
  bool const qkv = shape.attention.bias != projection_bias::none;
  project("query", "q_proj", qkv), project("key", "k_proj", qkv), project("value", "v_proj", qkv);
  project("output", "o_proj", shape.attention.bias == projection_bias::all);
  if (shape.attention.head_norm == qk_norm::rms) {
    all.push_back({"layers.#.attention.query_norm.weight", "layers.#.self_attn.q_norm.weight"});
    all.push_back({"layers.#.attention.key_norm.weight", "layers.#.self_attn.k_norm.weight"});
  }
  return all;
}

}  // namespace basin::lm::detail
