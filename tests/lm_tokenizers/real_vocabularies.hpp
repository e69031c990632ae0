// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The tokenizers of real models, from shared data; a test that needs an absent one is skipped by name.

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "basin/lm/tokenizers/byte_level_bpe.hpp"
#include "basin/lm/tokenizers/gguf_vocabulary.hpp"
#include "basin/lm/tokenizers/llama2c.hpp"
#include "basin/lm/tokenizers/vocab_and_merges.hpp"
#include "gguf_metadata.hpp"
#include "support/skip.hpp"

namespace basin_test {

inline std::optional<basin::lm::byte_level_bpe> real_gpt2() {
  auto const path = shared_data("tokenizers/gpt2/ggml-vocab-gpt-2.gguf");
  if (!path) return std::nullopt;
  return basin::lm::tokenizer_of_gguf(gguf_metadata{*path}.vocabulary, path->string());
}

inline std::optional<basin::lm::byte_level_bpe> real_qwen2() {
  auto const path = shared_data("tokenizers/qwen2.5/vocab.json");
  if (!path) return std::nullopt;
  auto const folder = path->parent_path();
  return basin::lm::read_vocab_and_merges(
      *path, folder / "merges.txt",
      {.split = basin::lm::pre_tokenizer_named("qwen2.5"),
       .form = basin::lm::normal_form::nfc,
       .added = basin::lm::read_tokenizer_config(folder / "tokenizer_config.json").added});
}

/// BASIN_SMOLLM2 names the GGUF file of SmolLM2-135M-Instruct.
inline std::optional<basin::lm::byte_level_bpe> real_smollm2() {
  char const* const path = std::getenv("BASIN_SMOLLM2");
  if (!path || !std::filesystem::is_regular_file(path)) {
    skip("SmolLM2 is absent; BASIN_SMOLLM2=<SmolLM2-135M-Instruct.Q4_1.gguf> names it");
    return std::nullopt;
  }
  return basin::lm::tokenizer_of_gguf(gguf_metadata{path}.vocabulary, path);
}

inline std::optional<basin::lm::llama2c_tokenizer> real_stories() {
  auto const path = shared_data("stories260k/tok512.bin");
  if (!path) return std::nullopt;
  return basin::lm::read_llama2c(*path);
}

}  // namespace basin_test
