// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The model that is measured: a checkpoint, or one with random weights of any size.

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "basin/attention.hpp"
#include "basin/lm/evaluation/suitability.hpp"
#include "basin/lm/training/trainer.hpp"
#include "basin/mask/causal.hpp"
#include "limits/candidate.hpp"
#include "limits/options.hpp"

namespace basin::limits {

using causal_model = lm::autoregressive_model;

/// A model whose context holds the longest length, and its description.
struct subject {
  causal_model model;
  std::string name;
  index_t trained = 0;                                           // context it was trained with
  std::filesystem::path folder;                                  // of the checkpoint; empty: random weights
  lm::input_kind learned;
};

/// The model of a checkpoint, whose rotary positions go on beyond what it was trained with; or, where sizes are given,
/// one with seeded random weights, to measure the time at a given shape.
///
/// Throws    file_error: no checkpoint, a damaged one, or one that is not autoregressive or does not read bytes;
///           value_error: sizes that make no transformer
subject subject_of(limits_options const& o);

/// The activations of one layer during the forward pass.
struct layer_activations {
  int layer = 0;
  view<float const, 2> stream{};                                 // [length, dim], input of the layer
  view<float const, 4> q{}, k{}, v{};                            // [1, heads, length, head_dim], q and k rotated
};

/// One forward pass over the tokens; calls `show` for every layer.
///
/// Throws    value_error: queries, keys, values or logits that are not finite
void for_each_layer(subject& s, std::span<int const> tokens, std::function<void(layer_activations const&)> const& show);

/// The normalizers that the model was trained with, each layer and head its own; nothing for a model whose heads all
/// use softmax, which is in the list anyway.
std::optional<candidate> own_normalizers(subject& s);

}  // namespace basin::limits
