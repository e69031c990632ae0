// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Whether a checkpoint suits what a program does with it: its objective, its tokenizer, and what it was trained on.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "models/checkpoint.hpp"
#include "models/plain_text.hpp"
#include "models/text.hpp"

namespace basin::models {

/// What a model reads: word problems, or one text. // fingerprint(its bytes); 0 for word problems
struct input_kind {
  std::string text;  // a file; empty: word problems
  std::uint64_t fingerprint = 0;

  bool is_text() const { return !text.empty(); }
};

namespace detail {

/// The entry of that name, or null where there is none.
inline nlohmann::ordered_json const* entry(nlohmann::ordered_json const* from, char const* name) {
  if (from == nullptr || !from->is_object()) return nullptr;
  auto const found = from->find(name);
  return found == from->end() ? nullptr : &*found;
}

inline std::string text_entry(nlohmann::ordered_json const* found) { return found && found->is_string() ? found->get<std::string>() : ""; }

}  // namespace detail

/// The objective of a checkpoint.
inline std::string objective_of(checkpoint const& saved) { return detail::text_entry(detail::entry(&saved.config, "objective")); }

/// Refuses a model of another objective; `option` is the one that named the folder.
///
/// Throws    file_error
inline void require_objective(checkpoint const& saved, std::string_view wanted, std::string_view option, std::filesystem::path const& folder) {
  if (std::string const found = objective_of(saved); found != wanted)
    throw file_error{message("basin: ", option, " is ", quotation(folder.string()), ", which holds a model of the objective ", quotation(found), "; it must be '", wanted,
                             "': train --objective ", wanted, " makes one")};
}

/// Refuses a model whose tokens are not bytes, a mask and a begin token.
///
/// Throws    file_error
inline void require_bytes(checkpoint const& saved, std::string_view option, std::filesystem::path const& folder) {
  int const vocabulary = architecture_of(saved.config).vocabulary;
  std::string const tokenizer = detail::text_entry(detail::entry(&saved.config, "tokenizer"));
  if (tokenizer == "bytes" && vocabulary == vocabulary_size) return;
  throw file_error{message("basin: ", option, " is ", quotation(folder.string()), ", whose model has the tokenizer ", quotation(tokenizer), " and a vocabulary of ", vocabulary,
                           "; it must have the tokenizer 'bytes' and a vocabulary of ", vocabulary_size, ": train makes such models")};
}

/// What a checkpoint was trained on, by its own record.
///
/// Throws    file_error: it has no such record
inline input_kind trained_on(checkpoint const& saved, std::filesystem::path const& folder) {
  auto const* const text = detail::entry(detail::entry(&saved.config, "training"), "text");
  auto const* const fingerprint = detail::entry(&saved.config, "fingerprint");
  if (text == nullptr || !text->is_string() || fingerprint == nullptr || !fingerprint->is_number_integer())
    throw file_error{message("basin: ", (folder / model_file).string(), " does not record what it was trained on: its configuration needs 'training.text', a file or \"\", and ",
                             "'fingerprint', a whole number; make the model again with train")};
  return {text->get<std::string>(), fingerprint->get<std::uint64_t>()};
}

/// What is to be said of a model that reads input it was not trained on.
struct input_mismatch {
  std::string what, remedy;
};

/// Whether a model was trained on other input than `given`.
inline std::optional<input_mismatch> unlike_training(input_kind const& learned, input_kind const& given, std::filesystem::path const& folder) {
  if (learned.is_text() == given.is_text() && learned.fingerprint == given.fingerprint) return std::nullopt;
  std::string const was = learned.is_text() ? "the text " + quotation(learned.text) : "word problems";
  std::string const now = given.is_text() ? "the text " + quotation(given.text) : "word problems";
  return input_mismatch{message("The model in ", quotation(folder.string()), " was trained on ", was, " and here reads ", now, ": its figures are those of input that it never learned."),
                        given.is_text() ? "Give a model that was trained on this text (train --text), or the input that this model was trained on."
                                        : "Give --text with the text that it was trained on, or a model that was trained on word problems."};
}

}  // namespace basin::models
