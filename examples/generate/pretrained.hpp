// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "basin/lm/decoding/token_choice.hpp"

namespace basin::generate {

/// What a prompt is: a text that goes on, or what the user says in a chat.
enum class prompt_kind { text, chat };

/// Whether a run ends with a line about it.
enum class run_figures { omitted, printed };

struct pretrained_options {
  std::filesystem::path model;
  std::string prompt;
  int length = 100;
  lm::token_choice choice;
  std::uint64_t seed = 0;
  prompt_kind kind = prompt_kind::text;
  std::optional<std::string> attention;  // policies by name, in place of softmax and the model's own mask
  run_figures figures = run_figures::omitted;
};

/// Whether a path is a model that others trained: a GGUF file, a file of llama2.c, a folder of Hugging Face
/// transformers, or the name smollm2.
bool is_pretrained(std::filesystem::path const& model);

/// Prints the continuation of a prompt, token by token.
///
/// Throws    file_error: a model or a tokenizer that is not there, damaged or not known; value_error: a prompt that
///           does not fit, a policy that does not exist, a model that is not autoregressive
void continue_text(pretrained_options const& o);

}  // namespace basin::generate
