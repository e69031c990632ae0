// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The model that is looked into: a checkpoint, or one with random weights of any size.

#include <functional>
#include <span>
#include <string>

#include "basin/attention.hpp"
#include "basin/mask/causal.hpp"
#include "limits/options.hpp"
#include "models/transformer.hpp"

namespace basin::limits {

using causal_model = models::transformer<decltype(attention<>{}.with(causal{}))>;

/// A model with room for the longest length, and what is known of it.
struct subject {
  causal_model model;
  std::string name;
  index_t trained = 0;                                           // context it was trained with
};

/// The model of a checkpoint, whose rotary positions go on beyond what it was trained with; or, where sizes are given, one with
/// seeded random weights: for its shape and its time, not for what it says.
///
/// Throws    file_error: no checkpoint, a damaged one, or one that is not autoregressive; value_error: sizes that make no
///           transformer
subject subject_of(limits_options const& o);

/// What one layer shows while the model reads.
struct layer_shown {
  int layer = 0;
  view<float const, 2> stream{};                                 // [length, dim], what it reads
  view<float const, 4> q{}, k{}, v{};                            // [1, heads, length, head_dim], q and k rotated
};

/// Lets the model read, and shows every layer as it comes to it. The only place where the model meets the engine.
void read_text(subject& s, std::span<int const> tokens, std::function<void(layer_shown const&)> const& show);

}  // namespace basin::limits
