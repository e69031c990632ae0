// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Text of unknown origin as stretches of valid UTF-8 and stretches of other bytes.

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "basin/lm/io/plain_text.hpp"

namespace basin::lm::detail {

enum class encoding { utf8, other };

/// How many bytes at the start of `text` are valid UTF-8.
inline std::size_t valid_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    if (static_cast<unsigned char>(text[length]) < 0x80) {
      ++length;
      continue;
    }
    std::size_t const character = utf8_length(text.substr(length));
    if (character == 0) break;
    length += character;
  }
  return length;
}

/// How many bytes at the start of `text` begin no character.
inline std::size_t invalid_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && utf8_length(text.substr(length)) == 0) ++length;
  return length;
}

/// Calls visit(part, encoding) for the longest stretches of either kind, from left to right; none is empty.
template <class Visit>
void each_stretch(std::string_view text, Visit visit) {
  while (!text.empty()) {
    std::size_t const valid = valid_length(text);
    if (valid > 0) visit(text.substr(0, valid), encoding::utf8);
    text.remove_prefix(valid);
    std::size_t const invalid = invalid_length(text);
    if (invalid > 0) visit(text.substr(0, invalid), encoding::other);
    text.remove_prefix(invalid);
  }
}

/// Whether more bytes could make one character of `begun`, which is not empty.
inline bool can_be_completed(std::string_view begun) {
  auto const first = static_cast<unsigned char>(begun[0]);
  std::size_t const whole = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (first < 0xc0 || begun.size() >= whole) return false;
  for (char const filler : {'\x80', '\x90', '\xa0'}) {  // after 0xf0, 0x90 is the least second byte; after 0xe0, 0xa0
    std::array<char, 4> completed{};
    completed.fill(filler);
    std::ranges::copy(begun, completed.begin());
    if (utf8_length({completed.data(), whole}) == whole) return true;
  }
  return false;
}

/// How many bytes at the end of `text` begin a character that more bytes could complete: 0 to 3.
inline std::size_t unfinished_length(std::string_view text) {
  for (std::size_t length = 1; length <= 3 && length <= text.size(); ++length)
    if (can_be_completed(text.substr(text.size() - length))) return length;
  return 0;
}

}  // namespace basin::lm::detail
