// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The spelling of bytes in the vocabulary files of byte-level BPE: one printing character a byte, so that the files are
// text. A byte that prints in Latin-1 is spelled as itself; the n-th other one as U+0100 + n. Source: GPT-2's encoder.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace basin::lm {

namespace detail {

inline constexpr unsigned first_replacement = 0x100;

constexpr bool spelled_as_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/// The code point that spells each byte.
inline constexpr std::array<unsigned, 256> byte_spellings = [] {
  std::array<unsigned, 256> spellings{};
  unsigned next = first_replacement;
  for (unsigned byte = 0; byte < 256; ++byte) spellings[byte] = spelled_as_itself(byte) ? byte : next++;
  return spellings;
}();

inline constexpr unsigned end_of_spellings = first_replacement + 68;

/// The byte that each code point spells; -1 for a code point that spells none.
inline constexpr std::array<int, end_of_spellings> spelled_bytes = [] {
  std::array<int, end_of_spellings> bytes{};
  bytes.fill(-1);
  for (unsigned byte = 0; byte < 256; ++byte) bytes[byte_spellings[byte]] = static_cast<int>(byte);
  return bytes;
}();

}  // namespace detail

/// The spelling of some bytes, in UTF-8: " a" is "Ġa".
inline std::string spelling_of(std::string_view bytes) {
  std::string text;
  for (char const c : bytes) {
    unsigned const point = detail::byte_spellings[static_cast<unsigned char>(c)];
    if (point < 0x80) {
      text += static_cast<char>(point);
    } else {
      text += static_cast<char>(0xc0 | point >> 6);
      text += static_cast<char>(0x80 | (point & 0x3f));
    }
  }
  return text;
}

/// The bytes that a text in UTF-8 spells; nothing if one of its characters spells no byte.
inline std::optional<std::string> bytes_of_spelling(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned point = static_cast<unsigned char>(text[i]);
    if (point >= 0xc0 && point < 0xe0 && i + 1 < text.size())
      point = (point & 0x1f) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f);
    else if (point >= 0x80)
      return std::nullopt;
    if (point >= detail::end_of_spellings || detail::spelled_bytes[point] < 0) return std::nullopt;
    bytes += static_cast<char>(detail::spelled_bytes[point]);
  }
  return bytes;
}

}  // namespace basin::lm
