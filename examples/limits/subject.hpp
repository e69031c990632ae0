// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The model that is looked into: a checkpoint, or one with random weights of any size.

#include <filesystem>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "basin/attention.hpp"
#include "basin/core/error.hpp"
#include "basin/mask/causal.hpp"
#include "limits/options.hpp"
#include "models/checkpoint.hpp"
#include "models/text.hpp"
#include "models/transformer.hpp"

namespace basin::limits {

using causal_model = models::transformer<decltype(attention<>{}.with(causal{}))>;

/// A model with room for the longest length, and what is known of it.
struct subject {
  causal_model model;
  std::string name;
  index trained = 0;                                             // context it was trained with
};

/// The model of a checkpoint; its rotary positions go on beyond what it was trained with.
///
/// Throws    file_error: no checkpoint, a damaged one, or one that is not autoregressive
inline subject load_subject(std::filesystem::path const& folder, index longest) {
  auto const saved = models::load_model(folder);
  std::string const objective = saved.config.value("objective", "");
  if (objective != "ar")
    throw file_error{message("basin: ", folder.string(), " holds a model of the objective '", objective,
                             "'; limits looks at causal rows, so give an autoregressive one, made by: train --objective ar")};
  auto sizes = models::architecture_of(saved.config);
  index const trained = sizes.context;
  sizes.context = std::max(sizes.context, static_cast<int>(longest));
  subject s{causal_model(sizes), folder.filename().string(), trained};
  models::read_weights(saved.tensors, s.model.parameters());
  return s;
}

/// How much larger random query and key weights are than usual at the start of training: so that scores spread as trained ones.
inline constexpr float random_sharpness = 3;

/// A model of any size with seeded random weights: for its shape and its time, not for what it says.
///
/// Throws    value_error: sizes that make no transformer
inline subject random_subject(std::vector<int> const& sizes, index longest, std::uint64_t seed) {
  models::transformer_config const c{.vocabulary = models::vocabulary_size, .dim = sizes[2], .layers = sizes[0], .heads = sizes[1], .kv_heads = sizes[1],
                                     .hidden = 4 * sizes[2], .context = static_cast<int>(longest)};
  subject s{causal_model(c, seed), message("random ", sizes[0], " x ", sizes[1], " x ", sizes[2]), longest};
  for (auto& p : s.model.parameters())
    if (p.name.ends_with("query.weight") || p.name.ends_with("key.weight"))
      for (float& x : p.values) x *= random_sharpness;
  return s;
}

inline subject subject_of(limits_options const& o) {
  return o.random_model.empty() ? load_subject(o.model, o.longest()) : random_subject(o.random_model, o.longest(), o.seed);
}

}  // namespace basin::limits
