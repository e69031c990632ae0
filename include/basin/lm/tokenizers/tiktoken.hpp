// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Byte-level BPE from a tiktoken file: one token a line, its bytes in base64, a space and its rank, which is its id.
// Two adjacent tokens merge if their bytes together are a token, the lowest rank first. Llama 3 comes in this form.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/byte_level_bpe.hpp"
#include "basin/lm/tokenizers/detail/all_splits.hpp"
#include "basin/lm/tokenizers/detail/lines.hpp"
#include "basin/lm/tokenizers/detail/reading.hpp"

namespace basin::lm {

namespace detail {

/// The longest token of a file without merges, in bytes; all cuts of a token are tried.
inline constexpr std::size_t longest_token = 1024;

inline int value_of_base64(char c) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::size_t const found = digits.find(c);
  return found == std::string_view::npos ? -1 : static_cast<int>(found);
}

/// The bytes of a text in base64 (RFC 4648, section 4) with its padding; nothing if it is none.
inline std::optional<std::string> bytes_of_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t const padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int const value = i + padding < text.size() ? value_of_base64(text[i]) : 0;
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) bytes += static_cast<char>(bits >> shift);
  }
  if (padding > 0 && (bits & ((1u << 8 * padding) - 1)) != 0) return std::nullopt;  // bits that no byte has
  bytes.erase(bytes.size() - padding);
  return bytes;
}

inline std::pair<std::string, std::size_t> token_of_line(std::string_view line, std::size_t number) {
  std::size_t const space = std::min(line.find(' '), line.size());
  auto bytes = bytes_of_base64(line.substr(0, space));
  std::string_view const digits = line.substr(std::min(space + 1, line.size()));
  std::size_t rank = 0;
  auto const [end, reason] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
  if (!bytes || reason != std::errc{} || end != digits.data() + digits.size())
    throw file_error{message("line ", number + 1, " is ", quotation(line), "; it must be base64, a space and a rank")};
  if (bytes->empty() || bytes->size() > longest_token)
    throw file_error{
        message("line ", number + 1, " has a token of ", bytes->size(), " bytes; it must have 1 to ", longest_token)};
  return {std::move(*bytes), rank};
}

inline bpe_parts parts_of_tiktoken(std::string_view text) {
  std::vector<std::pair<std::string, std::size_t>> lines;
  each_line(text, [&](std::string_view line, std::size_t number) { lines.push_back(token_of_line(line, number)); });
  bpe_parts parts;
  parts.tokens.resize(lines.size());
  for (auto& [bytes, rank] : lines) {
    if (rank >= lines.size())
      throw file_error{message("a token has the rank ", rank, ", but there are only ", lines.size(),
                               " tokens: ranks have no holes")};
    if (!parts.tokens[rank].empty()) throw file_error{message("the rank ", rank, " is there twice")};
    if (!parts.pieces.emplace(bytes, static_cast<int>(rank)).second)
      throw file_error{message("the token ", quotation(bytes), " is there twice")};
    parts.tokens[rank] = std::move(bytes);
  }
  for (std::size_t rank = 0; rank < parts.tokens.size(); ++rank)
    add_all_splits(parts.merges, parts.pieces, parts.tokens[rank],
                   {static_cast<std::uint32_t>(rank), static_cast<int>(rank)});
  parts.whole = whole_pieces::taken;
  return parts;
}

}  // namespace detail

/// The tokenizer of a tiktoken file. The file names neither the pre-tokenizer nor the special tokens: the caller gives
/// both. `name` is how messages name the file.
///
/// Throws    file_error: a line of another form, a token or a rank twice, ranks or ids with holes
/// Cost      a second for 130,000 tokens
inline byte_level_bpe parse_tiktoken(std::string_view text, pre_tokenizer split, std::vector<added_token> added,
                                     std::string_view name) {
  return detail::reading("tiktoken file", name, [&] {
    bpe_parts parts = detail::parts_of_tiktoken(text);
    parts.split = std::move(split);
    parts.added = std::move(added);
    return byte_level_bpe{std::move(parts)};
  });
}

/// The 256 special tokens of Llama 3, which have the ids from `first` on: the number of tokens in its file, 128000.
///
/// Source    meta-llama/llama3, llama/tokenizer.py. Llama 3.1 gave names to some of the reserved ones.
inline std::vector<added_token> llama3_special_tokens(int first = 128000) {
  std::vector<added_token> tokens;
  auto const add = [&](std::string content) {
    tokens.push_back({.id = first + static_cast<int>(tokens.size()), .content = std::move(content)});
  };
  int reserved = 0;
  auto const reserve = [&](int count) {
    for (int const end = reserved + count; reserved < end; ++reserved)
      add(message("<|reserved_special_token_", reserved, "|>"));
  };
  add("<|begin_of_text|>");
  add("<|end_of_text|>");
  reserve(4);
  add("<|start_header_id|>");
  add("<|end_header_id|>");
  reserve(1);
  add("<|eot_id|>");
  reserve(246);
  return tokens;
}

inline byte_level_bpe read_tiktoken(std::filesystem::path const& path, pre_tokenizer split,
                                    std::vector<added_token> added) {
  return parse_tiktoken(detail::text_of_file(path), std::move(split), std::move(added), path.string());
}

}  // namespace basin::lm
