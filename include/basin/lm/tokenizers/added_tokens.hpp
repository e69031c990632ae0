// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Added tokens: texts with an id of their own, found in a text before it is split into pieces. Special ones control the
// model (the end of a text, the beginning of a chat turn). Source: the file format of Hugging Face tokenizers.

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "basin/lm/tokenizers/detail/prefix_tree.hpp"
#include "basin/lm/tokenizers/detail/utf8_stretches.hpp"

namespace basin::lm {

/// What the text of a special token becomes in the input of a tokenizer: the token, or what its bytes become. Text of
/// unknown origin is encoded as_text, so that it cannot end a turn or begin one.
enum class special_tokens { recognise, as_text };

enum class token_role { ordinary, special };
enum class token_form { raw, normalised };             ///< the text in which an added token is searched
enum class word_bounds { anywhere, whole_words };      ///< whether a word character next to it prevents a match
enum class space_beside { kept, absorbed };            ///< what happens to the white space beside a match

struct added_token {
  int id = 0;
  std::string content{};
  token_role role = token_role::special;
  token_form form = token_form::raw;
  word_bounds bounds = word_bounds::anywhere;
  space_beside left = space_beside::kept;
  space_beside right = space_beside::kept;
};

namespace detail {

/// A part of a text: an added token, or text between two of them, with the id `plain`.
struct stretch {
  static constexpr int plain = -1;
  std::string_view text;
  int id = plain;
};

/// The code point at the start of valid UTF-8; -1 if there is none.
inline std::int32_t first_point(std::string_view text) {
  std::int32_t point = -1;
  std::size_t const length = utf8_length(text);
  if (length > 0)
    utf8proc_iterate(reinterpret_cast<utf8proc_uint8_t const*>(text.data()), static_cast<utf8proc_ssize_t>(length),
                     &point);
  return point;
}

/// The last character of a text; empty if the text ends with something else.
inline std::string_view last_character(std::string_view text) {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length)
    if (utf8_length(text.substr(text.size() - length)) == length) return text.substr(text.size() - length);
  return {};
}

/// Unicode's White_Space: separators and six control characters.
inline bool is_white_space(std::int32_t point) {
  if (point < 0) return false;
  auto const category = utf8proc_category(point);
  return (point >= 0x09 && point <= 0x0d) || point == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
         category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

/// Letters, marks, digits and connectors, as \w.
inline bool is_word_character(std::int32_t point) {
  if (point < 0) return false;
  auto const category = utf8proc_category(point);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC;
}

inline std::size_t space_at_start(std::string_view text) {
  std::size_t length = 0;
  while (is_white_space(first_point(text.substr(length)))) length += utf8_length(text.substr(length));
  return length;
}

inline std::size_t space_at_end(std::string_view text) {
  std::size_t length = 0;
  for (;;) {
    std::string_view const last = last_character(text.substr(0, text.size() - length));
    if (!is_white_space(first_point(last))) return length;
    length += last.size();
  }
}

}  // namespace detail

/// Finds added tokens: from left to right, at each place the longest.
///
/// Edges     a match that word bounds forbid, or of a special token that is text, hides shorter matches at its place
/// Cost      one hash search for most bytes of a text
class added_token_finder {
 public:
  /// Searches `content`, which is not empty, for this token.
  void add(added_token const& token, std::string_view content) {
    tree.add(content, static_cast<int>(tokens.size()));
    tokens.push_back(token);
  }

  /// The tokens of a text and the text between them, in order; no stretch of text is empty.
  std::vector<detail::stretch> split(std::string_view text, special_tokens treat) const {
    std::vector<detail::stretch> out;
    std::size_t done = 0;
    for (std::size_t at = 0; !tree.empty() && at < text.size();) {
      auto const found = tree.longest(text.substr(at));
      if (found.length == 0) {
        ++at;
        continue;
      }
      std::size_t const end = at + found.length;
      added_token const& token = tokens[static_cast<std::size_t>(found.number)];
      bool const hidden = token.role == token_role::special && treat == special_tokens::as_text;
      if (!hidden && stands_alone(token, text, at, end)) done = take(out, token, text, done, at, end);
      at = end;
    }
    if (done < text.size()) out.push_back({text.substr(done)});
    return out;
  }

 private:
  static bool stands_alone(added_token const& token, std::string_view text, std::size_t begin, std::size_t end) {
    if (token.bounds == word_bounds::anywhere) return true;
    return !detail::is_word_character(detail::first_point(detail::last_character(text.substr(0, begin)))) &&
           !detail::is_word_character(detail::first_point(text.substr(end)));
  }

  /// Adds the text before a token and the token; returns where the text after it begins. The token may begin with
  /// white space that the one before has absorbed.
  static std::size_t take(std::vector<detail::stretch>& out, added_token const& token, std::string_view text,
                          std::size_t done, std::size_t begin, std::size_t end) {
    if (token.left == space_beside::absorbed && begin > done)
      begin -= detail::space_at_end(text.substr(done, begin - done));
    if (token.right == space_beside::absorbed) end += detail::space_at_start(text.substr(end));
    if (begin > done) out.push_back({text.substr(done, begin - done)});
    out.push_back({text.substr(begin, end - begin), token.id});
    return end;
  }

  detail::prefix_tree tree;
  std::vector<added_token> tokens;
};

}  // namespace basin::lm
