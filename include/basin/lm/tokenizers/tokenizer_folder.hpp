// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The tokenizer of a folder with a model, by the files that are there.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/llama2c.hpp"
#include "basin/lm/tokenizers/tokenizer.hpp"
#include "basin/lm/tokenizers/tokenizer_json.hpp"
#include "basin/lm/tokenizers/vocab_and_merges.hpp"

namespace basin::lm {

/// The special ids that a tokenizer_config.json names by their texts; a text that is no token has none.
inline special_ids special_ids_of(tokenizer_config const& config, byte_level_bpe const& words) {
  auto const id_of = [&](std::string_view role) {
    auto const found = config.roles.find(std::string{role});
    return found == config.roles.end() ? std::nullopt : words.find(found->second);
  };
  return {.begin = id_of("bos_token"),
          .end = id_of("eos_token"),
          .pad = id_of("pad_token"),
          .mask = id_of("mask_token"),
          .unknown = id_of("unk_token")};
}

namespace detail {

inline constexpr std::size_t gpt2_tokens = 50257;

/// Reads vocab.json and merges.txt by the rules that belong to the class of a tokenizer_config.json.
inline byte_level_bpe read_pair(std::filesystem::path const& folder, tokenizer_config const& config) {
  bool const qwen = config.tokenizer_class.starts_with("Qwen2Tokenizer");
  bool const gpt2 = config.tokenizer_class.starts_with("GPT2Tokenizer");
  if (!qwen && !gpt2)
    throw unsupported_error{message("basin: ", folder.string(), " has a vocab.json for ",
                                    quotation(config.tokenizer_class), "; pre-tokenizers are known for ",
                                    "'Qwen2Tokenizer' and 'GPT2Tokenizer': use a tokenizer.json")};
  bpe_rules rules{.split = pre_tokenizer_named(qwen ? "qwen2.5" : "gpt-2"),
                  .form = qwen ? normal_form::nfc : normal_form::none,
                  .added = config.added};
  byte_level_bpe words = read_vocab_and_merges(folder / "vocab.json", folder / "merges.txt", std::move(rules));
  // Other models name this class as well, and split text by rules that only their tokenizer.json has.
  if (gpt2 && static_cast<std::size_t>(words.size()) != gpt2_tokens)
    throw unsupported_error{message("basin: ", folder.string(), " has a 'GPT2Tokenizer' of ", words.size(),
                                    " tokens, not GPT-2's ", gpt2_tokens,
                                    "; how it splits text is in its tokenizer.json: add that file")};
  return words;
}

}  // namespace detail

/// The tokenizer in a folder: tokenizer.json, or vocab.json with merges.txt, or tokenizer.bin of llama2.c. Special ids
/// come from tokenizer_config.json, if there is one.
///
/// Throws    file_error: none of these files, or one that breaks its format; unsupported_error: unknown rules
inline tokenizer read_tokenizer(std::filesystem::path const& folder) {
  auto const has = [&](char const* name) { return std::filesystem::exists(folder / name); };
  tokenizer_config config;
  bool const configured = has("tokenizer_config.json");
  if (configured) config = read_tokenizer_config(folder / "tokenizer_config.json");
  std::optional<byte_level_bpe> words;
  if (has("tokenizer.json")) words = read_tokenizer_json(folder / "tokenizer.json");
  else if (has("vocab.json") && has("merges.txt")) words = detail::read_pair(folder, config);
  else if (has("tokenizer.bin")) return tokenizer{read_llama2c(folder / "tokenizer.bin")};
  else
    throw file_error{message("basin: ", folder.string(), " has no tokenizer: neither tokenizer.json, nor vocab.json ",
                             "and merges.txt, nor tokenizer.bin; copy one of them there")};
  special_ids const special = configured ? special_ids_of(config, *words) : special_ids{};
  return tokenizer{std::move(*words), special};
}

}  // namespace basin::lm
