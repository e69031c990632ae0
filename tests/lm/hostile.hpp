// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Checkpoints of a tiny transformer whose configuration or tensors a test may spoil before they are written.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/attention.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/models/llama.hpp"
#include "basin/lm/training/run_options.hpp"

namespace basin_test {

struct spoiled_tensor {
  std::string name;
  std::vector<basin::index_t> shape;
  std::vector<float> values;
};

/// What a model.safetensors is made of.
struct spoiled_model {
  nlohmann::ordered_json config;
  std::vector<spoiled_tensor> tensors;

  void write(std::filesystem::path const& folder) const {
    basin::lm::make_folder(folder);
    std::vector<basin::lm::tensor> all;
    for (auto const& t : tensors) all.push_back(basin::lm::tensor_of<float>(t.name, t.shape, t.values));
    basin::lm::write_safetensors(folder / basin::lm::model_file, all, {{"config", config.dump()}});
  }
};

inline basin::lm::run_options tiny_run(std::string const& objective = "ar") {
  return {
      .objective = objective, .steps = 4, .batch = 2, .dim = 8, .layers = 1, .heads = 1, .kv_heads = 1, .hidden = 8};
}

/// A whole model of tiny_run(), all weights 0.01; without the entry "attention", as older checkpoints are.
inline spoiled_model tiny_model(std::string const& objective = "ar") {
  auto const o = tiny_run(objective);
  auto const sizes = basin::lm::architecture(o);
  spoiled_model m{{{"format", basin::lm::checkpoint_format},
                   {"objective", objective},
                   {"tokenizer", "bytes"},
                   {"architecture", basin::lm::architecture_json(sizes)},
                   {"training", basin::lm::to_json(o)},
                   {"fingerprint", 0},
                   {"step", 4}},
                  {}};
  basin::lm::llama<basin::attention<>> model(sizes);
  for (auto const& p : model.parameters())
    m.tensors.push_back({p.name, p.shape, std::vector<float>(p.values.size(), 0.01f)});
  return m;
}

}  // namespace basin_test
