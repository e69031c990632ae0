// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A transformer so small that its gradients can be checked by differences, and what it reads.

#include <cstdint>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/lm/models/llama_config.hpp"

namespace basin_test {

inline basin::lm::llama_config small(basin::lm::output_head head = basin::lm::output_head::untied) {
  return {.vocabulary = 7, .dim = 12, .layers = 2, .heads = 2, .kv_heads = 1, .hidden = 10, .context = 9, .head = head};
}

inline std::vector<int> some_tokens(std::uint64_t seed, int count, int vocabulary = 7) {
  basin::philox rng(seed);
  std::vector<int> tokens(static_cast<std::size_t>(count));
  for (int& t : tokens) t = static_cast<int>(basin::below(rng, static_cast<std::uint32_t>(vocabulary)));
  return tokens;
}

/// Larger weights than the first ones, so that every nonlinearity is felt.
template <class Model>
void stir(Model& model) {
  basin::philox rng(1);
  for (auto const& p : model.parameters())
    for (auto& x : p.values)
      x = static_cast<typename Model::value_type>((p.shape.size() == 1 ? 1.0 : 0.0) + 0.3 * basin::normal(rng));
  model.send();
}

}  // namespace basin_test
