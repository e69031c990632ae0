// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The tokenizer of llama2.c: a SentencePiece vocabulary with scores. A text gets a space in front and is cut into
// characters; the adjacent pair whose bytes together are the token of the best score is merged, the leftmost of equals.
// A character that is no token becomes its bytes. Source: karpathy/llama2.c, tokenizer.bin.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/added_tokens.hpp"
#include "basin/lm/tokenizers/detail/all_splits.hpp"
#include "basin/lm/tokenizers/detail/reading.hpp"
#include "basin/lm/tokenizers/detail/utf8_stretches.hpp"
#include "basin/lm/tokenizers/merge_table.hpp"
#include "basin/lm/tokenizers/merger.hpp"
#include "basin/lm/tokenizers/special_ids.hpp"
#include "basin/lm/tokenizers/token_map.hpp"

namespace basin::lm {

struct scored_token {
  std::string text;
  float score = 0;
};

/// A vocabulary with scores and byte fallback. Any bytes can be encoded, and decoding gives them back.
///
/// Throws    value_error: too few tokens, byte tokens that are not spelled <0x00> to <0xFF>, no token for the space, a
///           token that is empty, too long or there twice, a score that is not finite
/// Cost      O(n log n) for n bytes
class llama2c_tokenizer {
 public:
  static constexpr int unknown_id = 0, begin_id = 1, end_id = 2, first_byte_id = 3, first_piece_id = 259;
  static constexpr std::size_t longest_token = 1024;  // bytes

  explicit llama2c_tokenizer(std::vector<scored_token> const& vocabulary) {
    if (vocabulary.size() <= first_piece_id)
      refuse("it has ", vocabulary.size(), " tokens; 3 special ones, 256 bytes and more are needed");
    for (scored_token const& token : vocabulary) add(token);
    if (!pieces.contains(" ")) refuse("it has no token for the space, which begins every text");
    add_merges(vocabulary);
  }

  /// The ids of a text; an empty text has none. No text is a special token.
  std::vector<int> encode(std::string_view text, special_tokens = special_tokens::as_text) const {
    std::vector<int> ids;
    if (text.empty()) return ids;
    ids.push_back(pieces.find(" ")->second);
    while (!text.empty()) {
      std::size_t const length = std::max<std::size_t>(1, detail::utf8_length(text));
      auto const found = pieces.find(text.substr(0, length));
      if (found != pieces.end()) ids.push_back(found->second);
      else
        for (char const c : text.substr(0, length)) ids.push_back(first_byte_id + static_cast<unsigned char>(c));
      text.remove_prefix(length);
    }
    merger{merges}(ids);
    return ids;
  }

  int size() const { return static_cast<int>(tokens.size()); }

  /// The bytes that an id of the vocabulary stands for: of a byte token, that byte.
  std::string_view bytes_of(int id) const { return tokens[static_cast<std::size_t>(id)]; }

  /// The id of a token by its bytes. A byte token is found only if its byte is no other token.
  std::optional<int> find(std::string_view token) const {
    if (auto const found = pieces.find(token); found != pieces.end()) return found->second;
    auto const other = std::ranges::find(tokens, token);
    return other == tokens.end() ? std::nullopt : std::optional{static_cast<int>(other - tokens.begin())};
  }

  token_role role_of(int id) const { return id < first_byte_id ? token_role::special : token_role::ordinary; }
  special_ids special() const { return {.begin = begin_id, .end = end_id, .unknown = unknown_id}; }
  sequence_frame frame() const { return {.before = {begin_id}}; }

 private:
  template <class... Parts>
  [[noreturn]] static void refuse(Parts const&... why) {
    throw value_error{message("basin: the vocabulary does not follow llama2.c: ", why...)};
  }

  void add(scored_token const& token) {
    int const id = size();
    if (token.text.empty() || token.text.size() > longest_token)
      refuse("token ", id, " has ", token.text.size(), " bytes; it must have 1 to ", longest_token);
    if (!std::isfinite(token.score)) refuse("token ", id, " has the score ", token.score, ", which is not finite");
    if (id >= first_piece_id) {
      if (!pieces.emplace(token.text, id).second) refuse("the token ", quotation(token.text), " is there twice");
      tokens.push_back(token.text);
    } else if (id >= first_byte_id) {
      unsigned const byte = static_cast<unsigned>(id - first_byte_id);
      constexpr std::string_view digits = "0123456789ABCDEF";
      std::string const spelling{'<', '0', 'x', digits[byte / 16], digits[byte % 16], '>'};
      if (token.text != spelling) refuse("token ", id, " is ", quotation(token.text), ", not '", spelling, "'");
      tokens.emplace_back(1, static_cast<char>(byte));
    } else {
      tokens.push_back(token.text);
    }
  }

  /// Ranks the tokens by their scores, the best first; equal scores have equal ranks.
  void add_merges(std::vector<scored_token> const& vocabulary) {
    std::vector<float> scores;
    for (scored_token const& token : vocabulary) scores.push_back(token.score);
    std::ranges::sort(scores, std::greater{});
    for (std::size_t id = first_piece_id; id < vocabulary.size(); ++id) {
      auto const rank = std::ranges::lower_bound(scores, vocabulary[id].score, std::greater{}) - scores.begin();
      detail::add_all_splits(merges, pieces, vocabulary[id].text,
                             {static_cast<std::uint32_t>(rank), static_cast<int>(id)});
    }
  }

  std::vector<std::string> tokens;  // [ids], what each stands for
  token_map pieces;
  merge_table merges;
};

namespace detail {

static_assert(std::endian::native == std::endian::little, "basin: files of llama2.c are little-endian");

/// Takes a value from the front of `bytes`.
template <class T>
T take(std::string_view& bytes, std::string_view what) {
  if (bytes.size() < sizeof(T)) throw file_error{message("it ends within ", what)};
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

}  // namespace detail

/// The tokenizer of a tokenizer.bin: the longest length as int32, then for each token its score as float, its length as
/// int32 and its bytes, little-endian. `name` is how messages name the file.
///
/// Throws    file_error: a length beyond the longest or the file, or a vocabulary that llama2c_tokenizer refuses
inline llama2c_tokenizer parse_llama2c(std::string_view bytes, std::string_view name) {
  return detail::reading("tokenizer of llama2.c", name, [&] {
    auto const longest = detail::take<std::int32_t>(bytes, "its first number");
    std::vector<scored_token> vocabulary;
    while (!bytes.empty()) {
      std::string const what = message("token ", vocabulary.size());
      auto const score = detail::take<float>(bytes, what);
      auto const length = detail::take<std::int32_t>(bytes, what);
      if (length < 1 || length > longest)
        throw file_error{message(what, " claims ", length, " bytes; the longest token has ", longest)};
      if (static_cast<std::size_t>(length) > bytes.size())
        throw file_error{message(what, " claims ", length, " bytes; ", bytes.size(), " are left")};
      vocabulary.push_back({std::string{bytes.substr(0, static_cast<std::size_t>(length))}, score});
      bytes.remove_prefix(static_cast<std::size_t>(length));
    }
    return llama2c_tokenizer{vocabulary};
  });
}

inline llama2c_tokenizer read_llama2c(std::filesystem::path const& path) {
  return parse_llama2c(detail::text_of_file(path), path.string());
}

}  // namespace basin::lm
