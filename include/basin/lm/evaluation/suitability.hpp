// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Whether a checkpoint suits what a program does with it: its objective, its tokenizer, and what it was trained on.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "basin/core/error.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/io/config_entries.hpp"
#include "basin/lm/io/interval.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/io/text_corpus.hpp"
#include "basin/lm/tokenizers/bytes.hpp"

namespace basin::lm {

/// What a model reads: word problems, or one text. // fingerprint(its bytes); 0 for word problems
struct input_kind {
  std::string text;  // a file; empty: word problems
  std::uint64_t fingerprint = 0;

  bool is_text() const { return !text.empty(); }
};

/// The objective of a checkpoint: "ar" or "mdlm".
inline std::string objective_of(checkpoint const& saved) {
  return config_entries(saved.config, saved.tensors.origin()).choice("objective", {"ar", "mdlm"});
}

/// Refuses a model of another objective; `option` is the one that named the folder.
///
/// Throws    file_error
inline void require_objective(checkpoint const& saved, std::string_view wanted, std::string_view option,
                              std::filesystem::path const& folder) {
  if (std::string const found = objective_of(saved); found != wanted)
    throw file_error{message("basin: ", option, " is ", quotation(folder.string()),
                             ", which holds a model of the objective '", found, "'; it must be '", wanted,
                             "': train --objective ", wanted, " makes one")};
}

/// Refuses a model whose tokens are not bytes, a mask and a begin token.
///
/// Throws    file_error
inline void require_bytes(checkpoint const& saved) {
  (void)config_entries(saved.config, saved.tensors.origin()).choice("tokenizer", {"bytes"});
}

/// What a checkpoint was trained on, by its own record.
///
/// Throws    file_error: it has no such record
inline input_kind trained_on(checkpoint const& saved) {
  config_entries const entries(saved.config, saved.tensors.origin());
  return {entries.section("training").text("text"), entries.number("fingerprint", any_number<std::uint64_t>())};
}

/// What is to be said of a model that reads input it was not trained on.
struct input_mismatch {
  std::string what, remedy;
};

/// Whether a model was trained on other input than `given`.
inline std::optional<input_mismatch> unlike_training(input_kind const& learned, input_kind const& given,
                                                     std::filesystem::path const& folder) {
  if (learned.is_text() == given.is_text() && learned.fingerprint == given.fingerprint) return std::nullopt;
  std::string const was = learned.is_text() ? "the text " + quotation(learned.text) : "word problems";
  std::string const now = given.is_text() ? "the text " + quotation(given.text) : "word problems";
  return input_mismatch{
      message("The model in ", quotation(folder.string()), " was trained on ", was, " and here reads ", now,
              ": its figures are those of input that it never learned."),
      given.is_text()
          ? "Give a model that was trained on this text (train --text), or the input that this model was trained on."
          : "Give --text with the text that it was trained on, or a model that was trained on word problems."};
}

}  // namespace basin::lm
