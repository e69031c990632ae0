// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <optional>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/layers/linear.hpp"
#include "basin/lm/layers/rotary.hpp"

namespace basin::lm {

/// Which projections of an attention layer add a vector.
enum class projection_bias { none, qkv, all };

/// Whether queries and keys are normalized, each head on its own, before they are rotated.
enum class qk_norm { none, rms };

/// The sigmoid gate between attention and the output projection: one gate an element, or one a head.
enum class output_gate { none, elementwise, per_head };

/// The sizes and parts of an attention layer, apart from its policies.
struct attention_config {
  index_t dim = 0, heads = 0;
  index_t kv_heads = 0;   // 0: as many as heads
  index_t head_dim = 0;   // 0: dim / heads
  index_t value_dim = 0;  // of a head; 0: head_dim
  projection_bias bias = projection_bias::none;
  linear_products projections = linear_products::fused;  // of query, key and value
  qk_norm head_norm = qk_norm::none;
  float norm_epsilon = 1e-5f;
  output_gate gate = output_gate::none;
  std::optional<rotary_config> positions{};  // none: the layer does not know positions
  index_t context = 0;                       // the positions of the rotary table

  index_t first_key() const { return heads * head_dim; }
  index_t qk_columns() const { return (heads + kv_heads) * head_dim; }
  index_t qkv_columns() const { return qk_columns() + kv_heads * value_dim; }
  index_t attended_columns() const { return heads * value_dim; }
  index_t gate_columns() const { return gate == output_gate::per_head ? heads : attended_columns(); }

  /// The same with every size set.
  ///
  /// Errors    value_error: sizes that make no layer
  attention_config resolved() const {
    attention_config c = *this;
    auto const at_least_one = [](char const* name, index_t value) {
      if (value < 1)
        throw value_error(message("basin::lm::attention_layer: ", name, " is ", value, "; it must be at least 1"));
    };
    at_least_one("dim", dim);
    at_least_one("heads", heads);
    if (c.kv_heads == 0) c.kv_heads = heads;
    at_least_one("kv_heads", c.kv_heads);
    if (heads % c.kv_heads != 0)
      throw value_error(message("basin::lm::attention_layer: ", heads, " heads share ", c.kv_heads,
                                " key heads; heads must be a multiple of kv_heads"));
    if (c.head_dim == 0) {
      if (dim % heads != 0)
        throw value_error(message("basin::lm::attention_layer: dim is ", dim, " with ", heads,
                                  " heads; dim must be a multiple of heads, or head_dim be given"));
      c.head_dim = dim / heads;
    }
    if (c.value_dim == 0) c.value_dim = c.head_dim;
    at_least_one("head_dim", c.head_dim);
    at_least_one("value_dim", c.value_dim);
    if (positions) at_least_one("context", context);
    return c;
  }
};

}  // namespace basin::lm
