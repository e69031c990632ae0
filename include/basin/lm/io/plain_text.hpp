// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Makes text of unknown origin (names in files, arguments, file names) safe to print on a terminal: without control
// characters, and cut to a readable length.

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include "basin/core/error.hpp"

namespace basin::lm {

inline constexpr std::size_t longest_message = 2000, longest_quotation = 80;  // bytes

namespace detail {

/// The length of the valid UTF-8 sequence at the start of `text`; 0 if there is none.
inline std::size_t utf8_length(std::string_view text) {
  auto const byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  unsigned const first = byte(0), second = byte(1);
  if (first < 0x80) return text.empty() ? 0 : 1;
  std::size_t const length = first >= 0xc2 && first < 0xe0   ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  bool const overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  bool const outside =
      (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);  // surrogates; beyond U+10FFFF
  return overlong || outside ? 0 : length;
}

/// Whether a valid sequence is a control character: C0, DEL or C1.
inline bool is_control(std::string_view sequence) {
  auto const first = static_cast<unsigned char>(sequence[0]);
  return first < 0x20 || first == 0x7f || (first == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0);
}

/// The largest cut of at most `most` bytes that ends between two characters.
inline std::size_t cut_between_characters(std::string_view text, std::size_t most) {
  if (most >= text.size()) return text.size();
  std::size_t cut = most;
  while (cut > 0 && most - cut < 4 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return cut;
}

}  // namespace detail

/// The text with each control character and each byte that is not UTF-8 written as \n, \t or \x1b.
inline std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t const length = detail::utf8_length(text), take = length > 0 ? length : 1;
    bool const escaped = length == 0 || detail::is_control(text.substr(0, take));
    if (!escaped) out += text.substr(0, take);
    else if (text[0] == '\n') out += "\\n";
    else if (text[0] == '\t') out += "\\t";
    else
      for (char const c : text.substr(0, take)) {
        std::array<char, 5> code{};
        std::snprintf(code.data(), code.size(), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
        out += code.data();
      }
    text.remove_prefix(take);
  }
  return out;
}

/// The beginning of a text from a file, between the given quotes, and how many bytes are left out.
inline std::string excerpt(std::string_view text, std::string_view quote = "") {
  std::size_t const cut = detail::cut_between_characters(text, longest_quotation);
  if (cut == text.size()) return message(quote, printable(text), quote);
  return message(quote, printable(text.substr(0, cut)), "...", quote, " (and ", text.size() - cut, " bytes more)");
}

/// A name or a value as a message quotes it: 'layers.0', or 'layers.0.aaaa...' (and 4012 bytes more).
inline std::string quotation(std::string_view text) { return excerpt(text, "'"); }

/// Names to choose from: 'a', 'b' or 'c'.
template <class Names>
std::string alternatives(Names const& names) {
  std::string text;
  std::size_t left = names.size();
  for (auto const& name : names) text += message('\'', name, '\'', --left == 0 ? "" : left == 1 ? " or " : ", ");
  return text;
}

/// A message in one line without control characters. A long one is cut in the middle: its end has the remedy.
inline std::string terminal_message(std::string_view text) {
  if (text.size() <= longest_message) return printable(text);
  std::size_t const head = detail::cut_between_characters(text, longest_message * 3 / 4);
  std::size_t const tail = detail::cut_between_characters(text, text.size() - longest_message / 4);
  return message(printable(text.substr(0, head)), " [... ", tail - head, " bytes left out ...] ",
                 printable(text.substr(tail)));
}

}  // namespace basin::lm
