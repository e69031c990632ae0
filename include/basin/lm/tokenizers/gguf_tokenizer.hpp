// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "basin/lm/io/gguf_metadata.hpp"
#include "basin/lm/tokenizers/gguf_vocabulary.hpp"
#include "basin/lm/tokenizers/tokenizer.hpp"

namespace basin::lm {

/// The entries "tokenizer.ggml.*" of a GGUF file.
///
/// Throws    file_error: no tokenizer, or an entry of another type
inline gguf_vocabulary vocabulary_of(gguf_metadata const& data) {
  auto const name = [](std::string_view entry) { return "tokenizer.ggml." + std::string(entry); };
  auto const token = [&](std::string_view entry) -> std::optional<int> {
    if (!data.has(name(entry))) return {};
    return data.number(name(entry), at_least(0));
  };
  auto const asks = [&](std::string_view entry) { return data.has(name(entry)) && data.flag(name(entry)); };
  gguf_vocabulary all{.model = data.text(name("model")), .tokens = data.list<std::string>(name("tokens"))};
  if (data.has(name("pre"))) all.pre = data.text(name("pre"));
  if (data.has(name("merges"))) all.merges = data.list<std::string>(name("merges"));
  if (data.has(name("token_type"))) all.token_type = data.numbers<std::int32_t>(name("token_type"));
  all.special = {.begin = token("bos_token_id"),
                 .end = token("eos_token_id"),
                 .pad = token("padding_token_id"),
                 .mask = token("mask_token_id"),
                 .unknown = token("unknown_token_id")};
  if (asks("add_bos_token") && all.special.begin) all.frame.before = {*all.special.begin};
  if (asks("add_eos_token") && all.special.end) all.frame.after = {*all.special.end};
  return all;
}

/// The tokenizer of a GGUF file; messages name `file`.
///
/// Throws    file_error: a vocabulary that is damaged; unsupported_error: a kind of tokenizer that is not read
inline tokenizer read_gguf_tokenizer(gguf_metadata const& data, std::string_view file) {
  return tokenizer{tokenizer_of_gguf(vocabulary_of(data), file)};
}

}  // namespace basin::lm
