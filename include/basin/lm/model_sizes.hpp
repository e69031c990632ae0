// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/lm/layers/norm.hpp"

namespace basin::lm {

/// Whether a forward pass leaves behind what a backward pass needs.
enum class activations { discard, keep };

/// Whether the matrix that makes logits is its own or the embedding table.
enum class output_head { untied, tied };

/// Whether a model learns a vector for every position, added to the embedding of the token.
enum class position_table { none, learned };

/// The sizes of a model around its blocks.
struct model_sizes {
  int vocabulary = 0, dim = 0, context = 0;
  output_head head = output_head::untied;
  position_table positions = position_table::none;
  norm_config norm{};
};

}  // namespace basin::lm
