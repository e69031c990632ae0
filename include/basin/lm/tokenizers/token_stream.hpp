// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Ids as text, one after another or all at once.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "basin/lm/tokenizers/detail/utf8_stretches.hpp"
#include "basin/lm/tokenizers/tokenizer.hpp"

namespace basin::lm {

/// Whether special tokens are written in the text of ids or left out.
enum class special_text { written, omitted };

/// Whether ids begin a text or continue one.
enum class text_place { beginning, continuation };

/// Decodes ids as they come. A character that is spread over several tokens appears whole, with the last of them; bytes
/// that can begin no character appear as they are. Together, all parts are the bytes of the ids.
///
/// Edges     an id outside the vocabulary, which a model with more rows can produce, is U+FFFD
/// Example   token_stream text{words}; for (int id : ids) std::cout << text.push(id); std::cout << text.finish();
class token_stream {
 public:
  explicit token_stream(tokenizer from, special_text treat = special_text::written,
                        text_place place = text_place::beginning)
      : words(std::move(from)), specials(treat),
        drop_space(place == text_place::beginning && words.first_space() == leading_space::dropped) {}

  /// The text that one more id completes; often empty, if the id ends within a character.
  std::string push(int id) {
    bool const is_special = words.has(id) && words.role_of(id) == token_role::special;
    if (is_special && specials == special_text::omitted) return {};
    std::string_view bytes = words.has(id) ? words.bytes_of(id) : replacement;
    if (!is_special && std::exchange(drop_space, false) && bytes.starts_with(' ')) bytes.remove_prefix(1);
    waiting += bytes;
    std::size_t const whole = waiting.size() - detail::unfinished_length(waiting);
    std::string text = waiting.substr(0, whole);
    waiting.erase(0, whole);
    return text;
  }

  /// The bytes of a character that the last ids have begun and not completed.
  std::string finish() { return std::exchange(waiting, {}); }

 private:
  static constexpr std::string_view replacement = "\xef\xbf\xbd";

  tokenizer words;
  special_text specials;
  bool drop_space;
  std::string waiting;
};

/// The text of ids. Ids of parts of a character give bytes that are not UTF-8.
inline std::string decode(tokenizer const& words, std::span<int const> ids,
                          special_text treat = special_text::written) {
  token_stream stream{words, treat};
  std::string text;
  for (int const id : ids) text += stream.push(id);
  return text + stream.finish();
}

}  // namespace basin::lm
