// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The model that is looked into: a checkpoint, or one with random weights of any size.

#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "basin/attention.hpp"
#include "basin/lm/evaluation/suitability.hpp"
#include "basin/lm/training/trainer.hpp"
#include "basin/mask/causal.hpp"
#include "limits/options.hpp"

namespace basin::limits {

using causal_model = lm::autoregressive_model;

/// A model with room for the longest length, and what is known of it.
struct subject {
  causal_model model;
  std::string name;
  index_t trained = 0;                                           // context it was trained with
  std::filesystem::path folder;                                  // of the checkpoint; empty: random weights
  lm::input_kind learned;
};

/// The model of a checkpoint, whose rotary positions go on beyond what it was trained with; or, where sizes are given,
/// one with seeded random weights: for its shape and its time, not for what it says.
///
/// Throws    file_error: no checkpoint, a damaged one, or one that is not autoregressive or does not read bytes;
///           value_error: sizes that make no transformer
subject subject_of(limits_options const& o);

/// What one layer shows while the model reads.
struct layer_shown {
  int layer = 0;
  view<float const, 2> stream{};                                 // [length, dim], what it reads
  view<float const, 4> q{}, k{}, v{};                            // [1, heads, length, head_dim], q and k rotated
};

/// One pass of the model over the tokens; `show` is called for every layer. The only place where the model runs on the
/// engine.
///
/// Throws    value_error: queries, keys, values or logits that are not finite
void read_text(subject& s, std::span<int const> tokens, std::function<void(layer_shown const&)> const& show);

}  // namespace basin::limits
