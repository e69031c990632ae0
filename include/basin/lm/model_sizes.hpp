// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/lm/layers/linear.hpp"
#include "basin/lm/layers/norm.hpp"

namespace basin::lm {

/// Whether a forward pass leaves behind what a backward pass needs.
enum class activations { discard, keep };

/// Whether the matrix that makes logits is its own or the embedding table.
enum class output_head { untied, tied };

/// What stands before that matrix: nothing, or norm(GELU(V x + c)), as in BERT.
enum class head_transform { none, dense };

/// Whether a model learns a vector for every position, added to the embedding of the token.
enum class position_table { none, learned };

/// Where the norms of a block stand: before attention and MLP, with one more norm after the last block (Xiong et al.
/// 2020, figure 1b); or after their sum with the residual stream, with one more norm after the embedding (figure 1a).
enum class norm_order { pre, post };

/// The sizes of a model around its blocks.
struct model_sizes {
  int vocabulary = 0, dim = 0, context = 0;
  output_head head = output_head::untied;
  position_table positions = position_table::none;
  norm_config norm{};
  norm_order order = norm_order::pre;
  head_transform transform = head_transform::none;
  linear_bias head_bias = linear_bias::without;
};

}  // namespace basin::lm
