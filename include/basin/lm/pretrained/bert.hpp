// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include "basin/lm/pretrained/hugging_face.hpp"

namespace basin::lm {

/// BERT with its masked language model head: post-norm blocks, learned positions, an attention that sees all keys.
/// Every token has type 0, whose vector is added to the vectors of the positions.
///
/// Source    Devlin et al. 2019, arXiv 1810.04805; modeling_bert.py of Hugging Face transformers
inline pretrained_model bert_model(config_entries const& c, nlohmann::ordered_json const&) {
  using namespace detail;
  if (c.gives("hidden_act")) c.choice("hidden_act", {"gelu"});
  if (c.gives("position_embedding_type")) c.choice("position_embedding_type", {"absolute"});
  pretrained_model m;
  m.sees = attention_span::full, m.about = logits_of::this_token;
  int const dim = size_of(c, "hidden_size", most_width);
  m.shape.sizes = {.vocabulary = size_of(c, "vocab_size", most_tokens),
                   .dim = dim,
                   .context = size_of(c, "max_position_embeddings", most_context),
                   .head = output_head::tied,
                   .positions = position_table::learned,
                   .norm = {norm_kind::layer, c.number("layer_norm_eps", from_to(0.0f, 1.0f))},
                   .order = norm_order::post,
                   .transform = head_transform::dense,
                   .head_bias = linear_bias::with};
  m.shape.layers = size_of(c, "num_hidden_layers", most_layers);
  m.shape.mlp = {mlp_kind::gelu, size_of(c, "intermediate_size", most_width * 8), linear_bias::with};
  m.shape.attention = {.dim = dim,
                       .heads = size_of(c, "num_attention_heads", most_width),
                       .bias = projection_bias::all,
                       .context = m.shape.sizes.context};
  auto const add = [&](std::string const& ours, std::string const& theirs) {
    for (auto const part : {".weight", ".bias"}) m.tensors.push_back({ours + part, theirs + part});
  };
  m.prefixes = {"bert.", ""};
  m.tensors = {{"embedding.weight", "embeddings.word_embeddings.weight"},
               {"positions.weight", "embeddings.position_embeddings.weight"}};
  add("embedding_norm", "embeddings.LayerNorm");
  std::string const layer = "encoder.layer.#.";
  for (auto const name : {"query", "key", "value"})
    add(std::string("layers.#.attention.") + name, layer + "attention.self." + name);
  add("layers.#.attention.output", layer + "attention.output.dense");
  add("layers.#.attention_norm", layer + "attention.output.LayerNorm");
  add("layers.#.mlp.up", layer + "intermediate.dense");
  add("layers.#.mlp.down", layer + "output.dense");
  add("layers.#.mlp_norm", layer + "output.LayerNorm");
  add("head_transform", "/cls.predictions.transform.dense");
  add("head_norm", "/cls.predictions.transform.LayerNorm");
  m.tensors.push_back({"head.bias", "/cls.predictions.bias"});
  m.unused = {"embeddings.position_ids",       "pooler.dense.weight",           "pooler.dense.bias",
              "/cls.predictions.decoder.weight", "/cls.predictions.decoder.bias", "/cls.seq_relationship.weight",
              "/cls.seq_relationship.bias"};
  m.folded = {"embeddings.token_type_embeddings.weight"};
  m.fold = [dim](tensor_store const& from, std::string const& prefix, tensors_by_name const& to) {
    std::vector<float> type_0(static_cast<std::size_t>(dim));
    row_to_floats(from.at(prefix + "embeddings.token_type_embeddings.weight"), 0, type_0);
    auto const rows = to.at("positions.weight");
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] += type_0[i % type_0.size()];
  };
  return m;
}

}  // namespace basin::lm
