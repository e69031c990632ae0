// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The vocabulary of bytes.hpp as a tokenizer.

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "basin/lm/tokenizers/added_tokens.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "basin/lm/tokenizers/special_ids.hpp"

namespace basin::lm {

namespace detail {

/// Every byte once, in order.
inline constexpr std::array<char, 256> every_byte = [] {
  std::array<char, 256> bytes{};
  for (int b = 0; b < 256; ++b) bytes[static_cast<unsigned>(b)] = static_cast<char>(b);
  return bytes;
}();

}  // namespace detail

/// Bytes as tokens; the ids of masks and beginnings have no text and are shown as '_'.
struct byte_tokenizer {
  std::vector<int> encode(std::string_view text, special_tokens = special_tokens::as_text) const {
    return ids_of(text);
  }
  int size() const { return vocabulary_size; }
  std::string_view bytes_of(int id) const {
    return id < 256 ? std::string_view{&detail::every_byte[static_cast<unsigned>(id)], 1} : "_";
  }
  std::optional<int> find(std::string_view token) const {
    if (token.size() != 1) return std::nullopt;
    return static_cast<unsigned char>(token[0]);
  }
  token_role role_of(int id) const { return id < 256 ? token_role::ordinary : token_role::special; }
  special_ids special() const { return {.begin = begin_id, .mask = mask_id}; }
  sequence_frame frame() const { return {.before = {begin_id}}; }
};

}  // namespace basin::lm
