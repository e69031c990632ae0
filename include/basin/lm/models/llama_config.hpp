// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/transformer.hpp"

namespace basin::lm {

/// The sizes of a model; key and value heads may be fewer than query heads.
struct llama_config {
  int vocabulary = 0, dim = 0, layers = 0, heads = 0, kv_heads = 0, hidden = 0, context = 0;
  float rope_base = 1e4f, norm_epsilon = 1e-5f;
  output_head head = output_head::untied;
  norm_kind norm = norm_kind::rms;
  mlp_kind mlp = mlp_kind::swiglu;

  index_t head_dim() const { return dim / heads; }
  model_sizes sizes() const { return {vocabulary, dim, context, head, position_table::none, {norm, norm_epsilon}}; }
  attention_config attention() const {
    return {.dim = dim,
            .heads = heads,
            .kv_heads = kv_heads,
            .norm_epsilon = norm_epsilon,
            .positions = rotary_config{.base = static_cast<double>(rope_base)},
            .context = context};
  }

  bool operator==(llama_config const&) const = default;
};

/// Throws value_error for sizes that make no transformer.
inline void validate(llama_config const& c) {
  auto const at_least_one = [](char const* name, int value) {
    if (value < 1) throw value_error(message("basin: ", name, " is ", value, "; it must be at least 1"));
  };
  at_least_one("vocabulary", c.vocabulary);
  at_least_one("dim", c.dim);
  at_least_one("layers", c.layers);
  at_least_one("heads", c.heads);
  at_least_one("kv_heads", c.kv_heads);
  at_least_one("hidden", c.hidden);
  at_least_one("context", c.context);
  if (c.dim % (2 * c.heads) != 0)
    throw value_error(message("basin: dim is ", c.dim, " with ", c.heads,
                              " heads; dim must be a multiple of 2 x heads = ", 2 * c.heads,
                              ", because features rotate in pairs"));
  if (c.heads % c.kv_heads != 0)
    throw value_error(message("basin: ", c.heads, " heads share ", c.kv_heads,
                              " key heads; heads must be a multiple of kv_heads"));
  if (!(c.rope_base > 0) || !(c.norm_epsilon >= 0))
    throw value_error(message("basin: rope_base is ", c.rope_base, ", norm_epsilon is ", c.norm_epsilon,
                              "; they must be > 0 and >= 0"));
}

}  // namespace basin::lm
