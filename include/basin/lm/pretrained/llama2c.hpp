// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/lm/io/llama2c.hpp"
#include "basin/lm/pretrained/pretrained_model.hpp"

namespace basin::lm {

/// A Llama in a file of llama2.c, whose rotary positions turn pairs of neighbouring numbers.
///
/// Source    model.py of karpathy/llama2.c
inline pretrained_model llama2c_model(llama2c_config const& c) {
  pretrained_model m{.architecture = "llama2.c"};
  m.shape.sizes = {.vocabulary = c.vocabulary,
                   .dim = c.dim,
                   .context = c.context,
                   .head = c.output == llama2c_config::head::tied ? output_head::tied : output_head::untied,
                   .norm = {norm_kind::rms, 1e-5f}};
  m.shape.layers = c.layers;
  m.shape.mlp = {mlp_kind::swiglu, c.hidden};
  m.shape.attention = {.dim = c.dim,
                       .heads = c.heads,
                       .kv_heads = c.kv_heads,
                       .positions = rotary_config{.base = 1e4, .pairing = nn::rope_pairing::neighbours},
                       .context = c.context};
  m.begin_token = 1, m.end_tokens = {2};
  m.tensors = {{"embedding.weight", "tok_embeddings.weight"},
               {"layers.#.attention_norm.weight", "layers.#.attention_norm.weight"},
               {"layers.#.attention.query.weight", "layers.#.attention.wq.weight"},
               {"layers.#.attention.key.weight", "layers.#.attention.wk.weight"},
               {"layers.#.attention.value.weight", "layers.#.attention.wv.weight"},
               {"layers.#.attention.output.weight", "layers.#.attention.wo.weight"},
               {"layers.#.mlp_norm.weight", "layers.#.ffn_norm.weight"},
               {"layers.#.mlp.gate.weight", "layers.#.feed_forward.w1.weight"},
               {"layers.#.mlp.up.weight", "layers.#.feed_forward.w3.weight"},
               {"layers.#.mlp.down.weight", "layers.#.feed_forward.w2.weight"},
               {"norm.weight", "norm.weight"}};
  if (m.shape.sizes.head == output_head::untied) m.tensors.push_back({"head.weight", "output.weight"});
  return m;
}

}  // namespace basin::lm
