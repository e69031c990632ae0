// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Byte-level BPE from vocab.json and merges.txt, the older pair of files. They name neither the pre-tokenizer nor the
// added tokens: the caller gives both. tokenizer_config.json beside them lists added tokens and special ones by role.

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/json_text.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/byte_level_bpe.hpp"
#include "basin/lm/tokenizers/detail/json_entries.hpp"
#include "basin/lm/tokenizers/detail/lines.hpp"
#include "basin/lm/tokenizers/detail/reading.hpp"
#include "basin/lm/tokenizers/tokenizer_json.hpp"

namespace basin::lm {

/// What tokenizer_config.json says beside the rules of a tokenizer.
struct tokenizer_config {
  std::string tokenizer_class;               ///< "Qwen2Tokenizer"; empty if there is none
  std::vector<added_token> added;            ///< in the order of their ids
  std::map<std::string, std::string> roles;  ///< "eos_token" to "<|im_end|>"
};

namespace detail {

inline constexpr std::string_view special_roles[] = {"bos_token", "eos_token", "pad_token", "mask_token", "unk_token"};

inline int id_of_text(std::string_view text) {
  int id = -1;
  auto const [end, reason] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (reason != std::errc{} || end != text.data() + text.size() || id < 0)
    throw file_error{message("an added token has the id ", quotation(text), "; it must be a whole number")};
  return id;
}

inline tokenizer_config config_of_json(json const& file) {
  json_entries const entries{file, ""};
  tokenizer_config config;
  if (entries.has("tokenizer_class")) config.tokenizer_class = entries.text("tokenizer_class");
  std::map<int, added_token> in_order;
  if (entries.has("added_tokens_decoder"))
    for (auto const& [text, token] : entries.at("added_tokens_decoder").items()) {
      int const id = id_of_text(text);
      in_order.emplace(id, added_token_of({token, message("added_tokens_decoder.", id)}, id));
    }
  for (auto& [id, token] : in_order) config.added.push_back(std::move(token));
  for (std::string_view const role : special_roles) {
    if (!entries.has(role)) continue;
    bool const is_object = entries.at(role).is_object();
    config.roles.emplace(role, is_object ? entries.section(role).text("content") : entries.text(role));
  }
  return config;
}

}  // namespace detail

/// The entries of a tokenizer_config.json that the tokenizers of this library need; others are ignored.
///
/// Throws    file_error: no JSON, a key twice, an entry of another type
inline tokenizer_config parse_tokenizer_config(std::string_view text, std::string_view name) {
  return detail::reading("tokenizer_config.json", name, [&] {
    return detail::config_of_json(detail::parse_json<nlohmann::json>(text, "text", 16));
  });
}

inline tokenizer_config read_tokenizer_config(std::filesystem::path const& path) {
  return parse_tokenizer_config(detail::text_of_file(path), path.string());
}

/// What vocab.json and merges.txt leave open.
struct bpe_rules {
  pre_tokenizer split;
  normal_form form = normal_form::none;
  whole_pieces whole = whole_pieces::merged;
  std::vector<added_token> added{};
};

/// The tokenizer of two files: tokens with their ids, and one merge a line in the order of their ranks.
///
/// Throws    file_error: no JSON, a token or an id twice, ids with holes, a line that is no merge, a merge of an
///           unknown token or there twice
/// Edges     a first line of merges that begins with "#version" is a comment
inline byte_level_bpe parse_vocab_and_merges(std::string_view vocabulary, std::string_view merges, bpe_rules rules,
                                             std::string_view name) {
  return detail::reading("vocab.json with merges.txt", name, [&] {
    bpe_parts parts{.split = std::move(rules.split), .form = rules.form, .whole = rules.whole};
    parts.added = std::move(rules.added);
    auto const tokens = detail::parse_json<nlohmann::json>(vocabulary, "vocabulary", 2);
    if (!tokens.is_object()) throw file_error{"its vocabulary is not an object"};
    detail::read_tokens_and_merges(parts, tokens, nlohmann::json::array(), parts.added.size());
    std::size_t rank = 0;
    detail::each_line(merges, [&](std::string_view line, std::size_t number) {
      if (number == 0 && line.starts_with("#version")) return;
      detail::add_merge(parts, line, rank++);
    });
    return byte_level_bpe{std::move(parts)};
  });
}

inline byte_level_bpe read_vocab_and_merges(std::filesystem::path const& vocabulary,
                                            std::filesystem::path const& merges, bpe_rules rules) {
  return parse_vocab_and_merges(detail::text_of_file(vocabulary), detail::text_of_file(merges), std::move(rules),
                                vocabulary.string());
}

}  // namespace basin::lm
