// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// SmolLM2-135M-Instruct and its golden values, for tests that are skipped without them.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include <nlohmann/json.hpp>

#include "basin/lm/pretrained/gguf.hpp"
#include "pretrained.hpp"
#include "support/skip.hpp"

namespace basin::pretrained_test {

inline std::optional<std::filesystem::path> smollm2() {
  char const* const chosen = std::getenv("BASIN_SMOLLM2");
  std::filesystem::path const file =
      chosen ? chosen : BASIN_DEFAULT_MODELS "/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (std::filesystem::exists(file)) return file;
  basin_test::skip(file.string() +
                   " is absent; examples/get_smollm2.sh fetches it, BASIN_SMOLLM2=<file> names another");
  return std::nullopt;
}

/// One model for all tests: reading it takes longer than running it.
inline model_type& model_of(std::filesystem::path const& path) {
  static model_type model = [&] {
    auto const file = lm::open_gguf(path);
    auto of = lm::gguf_model(file);
    of.shape.sizes.context = 512, of.shape.attention.context = 512;
    return load(of, file.tensors);
  }();
  return model;
}

inline nlohmann::json const& golden_of(std::filesystem::path const& path) {
  static nlohmann::json const all = nlohmann::json::parse(std::ifstream(path));
  return all;
}

}  // namespace basin::pretrained_test
