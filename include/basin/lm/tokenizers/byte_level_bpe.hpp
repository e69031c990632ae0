// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Byte-level byte pair encoding: a text is normalised, cut at added tokens, split into pieces, and the bytes of each
// piece are merged. Source: Radford et al. 2019 (GPT-2), section 2.2. Files are read by tokenizer_json.hpp,
// vocab_and_merges.hpp, gguf_vocabulary.hpp and tiktoken.hpp.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/added_tokens.hpp"
#include "basin/lm/tokenizers/merge_table.hpp"
#include "basin/lm/tokenizers/merger.hpp"
#include "basin/lm/tokenizers/normal_form.hpp"
#include "basin/lm/tokenizers/pre_tokenizer.hpp"
#include "basin/lm/tokenizers/special_ids.hpp"
#include "basin/lm/tokenizers/token_map.hpp"

namespace basin::lm {

/// Whether a piece that is a token as a whole becomes that token at once, or what its merges make of it.
enum class whole_pieces { merged, taken };

/// What a byte-level tokenizer is made of.
struct bpe_parts {
  std::vector<std::string> tokens{};  ///< [ids], the bytes of each token; empty where only an added token has the id
  token_map pieces{};                 ///< the ids of the tokens that bytes can become
  merge_table merges{};               ///< of ids of the vocabulary
  pre_tokenizer split{};
  normal_form form = normal_form::none;
  whole_pieces whole = whole_pieces::merged;
  std::vector<added_token> added{};
  std::optional<int> unknown{};       ///< what a byte without a token becomes; without it, such a text is refused
  special_ids special{};
  sequence_frame frame{};
};

/// The longest text of an added token, in bytes.
inline constexpr std::size_t longest_added_token = 1024;

/// A byte-level tokenizer. Any bytes can be encoded, valid UTF-8 or not, if all 256 bytes are tokens. Decoding gives
/// them back, unless normalisation, a prefix space or an added token that absorbs white space has changed the text.
///
/// Throws    value_error: ids with holes, an added token without text, too long or with the id of another token, a
///           special id outside the vocabulary; from encode, a byte without a token or a search beyond PCRE2's limits
/// Cost      encode: O(n log n) in the bytes of a piece; a piece that occurs again costs one hash search
class byte_level_bpe {
 public:
  explicit byte_level_bpe(bpe_parts from) : parts(std::move(from)) {
    for (added_token const& token : parts.added) place(token);
    check();
    for (unsigned byte = 0; byte < 256; ++byte) {
      char const c = static_cast<char>(byte);
      auto const found = parts.pieces.find(std::string_view{&c, 1});
      byte_ids[byte] = found != parts.pieces.end() ? found->second : parts.unknown.value_or(none);
    }
  }

  /// The ids of a text, without a frame. Added tokens that are not special are always recognised.
  std::vector<int> encode(std::string_view text, special_tokens treat = special_tokens::as_text) const {
    if (text.size() > largest_text)
      throw value_error{message("basin: a text of ", text.size(), " bytes is encoded at once; at most ", largest_text,
                                " can be: give it in parts")};
    std::vector<int> ids;
    std::string composed;
    for (detail::stretch const& outer : raw.split(text, treat)) {
      if (outer.id != detail::stretch::plain) {
        ids.push_back(outer.id);
        continue;
      }
      for (detail::stretch const& inner : composed_finder.split(normalised(outer.text, parts.form, composed), treat)) {
        if (inner.id != detail::stretch::plain) ids.push_back(inner.id);
        else encode_plain(inner.text, ids);
      }
    }
    return ids;
  }

  int size() const { return static_cast<int>(parts.tokens.size()); }

  /// The bytes that an id of the vocabulary stands for.
  std::string_view bytes_of(int id) const { return parts.tokens[static_cast<std::size_t>(id)]; }

  /// The id of a token by its bytes; of two, that of the added token.
  std::optional<int> find(std::string_view token) const {
    for (token_map const* const map : {&added_ids, &parts.pieces})
      if (auto const found = map->find(token); found != map->end()) return found->second;
    return std::nullopt;
  }

  token_role role_of(int id) const {
    return std::ranges::binary_search(special_token_ids, id) ? token_role::special : token_role::ordinary;
  }

  special_ids const& special() const { return parts.special; }
  sequence_frame const& frame() const { return parts.frame; }

 private:
  static constexpr int none = -1;
  static constexpr std::size_t largest_text = std::numeric_limits<std::int32_t>::max();

  void place(added_token const& token) {
    auto const refuse = [&](auto const&... why) {
      throw value_error{
          message("basin: the added token ", quotation(token.content), " with the id ", token.id, why...)};
    };
    if (token.content.empty() || token.content.size() > longest_added_token)
      refuse(" has ", token.content.size(), " bytes; it must have 1 to ", longest_added_token);
    auto const id = static_cast<std::size_t>(token.id);
    if (token.id < 0 || id >= parts.tokens.size() + parts.added.size())
      refuse(" leaves ids without a token: there are only ", parts.tokens.size(), " + ", parts.added.size(), " tokens");
    if (id >= parts.tokens.size()) parts.tokens.resize(id + 1);
    if (!parts.tokens[id].empty() && parts.tokens[id] != token.content)
      refuse(" has the id of ", quotation(parts.tokens[id]), "; every token needs its own id");
    parts.tokens[id] = token.content;
    if (!added_ids.emplace(token.content, token.id).second) refuse(" is listed twice");
    // A whole piece of ordinary text must not become a special token.
    if (token.role == token_role::special) {
      auto const ordinary = parts.pieces.find(token.content);
      if (ordinary != parts.pieces.end() && ordinary->second == token.id) parts.pieces.erase(ordinary);
      special_token_ids.insert(std::ranges::upper_bound(special_token_ids, token.id), token.id);
    }
    bool const composed = token.form == token_form::normalised && parts.form != normal_form::none;
    std::string storage;
    if (token.form == token_form::raw) raw.add(token, token.content);
    else composed_finder.add(token, composed ? normalised(token.content, parts.form, storage) : token.content);
  }

  void check() const {
    auto const hole = std::ranges::find(parts.tokens, std::string{});
    if (hole != parts.tokens.end())
      throw value_error{message("basin: no token has the id ", hole - parts.tokens.begin(), ", of ids 0 to ",
                                parts.tokens.size() - 1, "; a vocabulary has no holes")};
    if (parts.tokens.empty()) throw value_error{"basin: the vocabulary is empty; it needs at least one token"};
    auto const& [begin, end, pad, mask, unknown] = parts.special;
    for (std::optional<int> const& id : {begin, end, pad, mask, unknown, parts.unknown}) require(id.value_or(0));
    for (int const id : parts.frame.before) require(id);
    for (int const id : parts.frame.after) require(id);
  }

  void require(int id) const {
    if (id < 0 || id >= size())
      throw value_error{message("basin: the special id ", id, " is outside the vocabulary of ", size(), " tokens")};
  }

  /// Adds the ids of a text without added tokens. A piece that occurred before is copied from `ids`.
  void encode_plain(std::string_view text, std::vector<int>& ids) const {
    std::string spaced;
    if (parts.split.prefix == prefix_space::added && !text.starts_with(' ')) text = spaced = message(' ', text);
    merger merge_piece{parts.merges};
    std::unordered_map<std::string_view, std::pair<std::size_t, std::size_t>> known;  // first of ids, how many
    std::vector<int> piece_ids;
    for (std::string_view const piece : parts.split.pieces(text)) {
      auto const [found, is_new] = known.try_emplace(piece, ids.size(), 0);
      auto& [first, count] = found->second;
      if (!is_new) {
        for (std::size_t i = 0; i < count; ++i) ids.push_back(ids[first + i]);
        continue;
      }
      encode_piece(piece, merge_piece, piece_ids);
      count = piece_ids.size();
      ids.insert(ids.end(), piece_ids.begin(), piece_ids.end());
    }
  }

  void encode_piece(std::string_view piece, merger& merge_piece, std::vector<int>& ids) const {
    ids.clear();
    if (parts.whole == whole_pieces::taken) {
      auto const found = parts.pieces.find(piece);
      if (found != parts.pieces.end()) {
        ids.push_back(found->second);
        return;
      }
    }
    for (char const c : piece) ids.push_back(id_of_byte(static_cast<unsigned char>(c), piece));
    merge_piece(ids);
  }

  int id_of_byte(unsigned char byte, std::string_view piece) const {
    if (byte_ids[byte] != none) return byte_ids[byte];
    std::array<char, 5> code{};
    std::snprintf(code.data(), code.size(), "0x%02x", static_cast<unsigned>(byte));
    throw value_error{message("basin: the tokenizer has no token for the byte ", code.data(), " of ", quotation(piece),
                              "; remove it from the text")};
  }

  bpe_parts parts;
  added_token_finder raw, composed_finder;
  token_map added_ids;
  std::vector<int> special_token_ids;  // ascending
  std::array<int, 256> byte_ids{};
};

}  // namespace basin::lm
