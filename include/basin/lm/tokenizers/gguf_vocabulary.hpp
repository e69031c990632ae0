// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Byte-level BPE from the metadata of a GGUF file, given as plain vectors. Source: the GGUF specification of ggml,
// section on the tokenizer's keys.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/byte_level_bpe.hpp"
#include "basin/lm/tokenizers/detail/reading.hpp"

namespace basin::lm {

/// The entries "tokenizer.ggml.*" of a GGUF file.
struct gguf_vocabulary {
  std::string model{};                     ///< model; "gpt2" stands for byte-level BPE
  std::string pre{};                       ///< pre: the name of the pre-tokenizer
  std::vector<std::string> tokens{};       ///< tokens, by id, in the byte alphabet; control tokens as they are
  std::vector<std::string> merges{};       ///< merges: two tokens with a space between
  std::vector<std::int32_t> token_type{};  ///< token_type; may be empty: all tokens are normal
  special_ids special{};                   ///< bos_token_id, eos_token_id, padding_token_id, mask_token_id, ...
  sequence_frame frame{};                  ///< what add_bos_token and add_eos_token ask for
};

namespace detail {

enum class gguf_token : std::int32_t { normal = 1, unknown, control, user_defined, unused, byte };

/// What stands for the pre-tokenizers by name in GGUF files.
struct gguf_rules {
  std::string_view pre, name;
  normal_form form;
  whole_pieces whole;
};

inline constexpr std::array<gguf_rules, 4> known_gguf_rules{{
    {"gpt-2", "gpt-2", normal_form::none, whole_pieces::merged},
    {"llama-bpe", "llama-3", normal_form::none, whole_pieces::taken},
    {"qwen2", "qwen2.5", normal_form::nfc, whole_pieces::merged},
    {"smollm", "smollm", normal_form::none, whole_pieces::merged},
}};

inline gguf_rules const& rules_of_gguf(std::string_view pre) {
  std::vector<std::string_view> names;
  for (gguf_rules const& rules : known_gguf_rules) {
    if (rules.pre == pre) return rules;
    names.push_back(rules.pre);
  }
  throw unsupported_error{message("the pre-tokenizer ", quotation(pre), ", which is none of ", alternatives(names))};
}

inline void read_tokens(bpe_parts& parts, gguf_vocabulary const& from) {
  if (!from.token_type.empty() && from.token_type.size() != from.tokens.size())
    throw file_error{message("it has ", from.tokens.size(), " tokens and ", from.token_type.size(), " token types")};
  for (std::size_t i = 0; i < from.tokens.size(); ++i) {
    std::string const& token = from.tokens[i];
    int const id = static_cast<int>(i);
    switch (auto const type = from.token_type.empty() ? gguf_token::normal : gguf_token{from.token_type[i]}) {
      case gguf_token::normal:
      case gguf_token::unused: add_token(parts, token, i, from.tokens.size()); break;
      case gguf_token::unknown:
      case gguf_token::control: parts.added.push_back({.id = id, .content = token}); break;
      case gguf_token::user_defined:
        parts.added.push_back({.id = id, .content = token, .role = token_role::ordinary});
        break;
      default:
        throw unsupported_error{message("the token ", quotation(token), " of the type ", static_cast<int>(type))};
    }
  }
}

}  // namespace detail

/// The tokenizer of a GGUF file; `name` is how messages name the file.
///
/// Throws    file_error: a token twice, a merge of an unknown token or there twice, more or fewer types than tokens, a
///           special id outside the vocabulary; unsupported_error: an unknown model, pre-tokenizer or token type
inline byte_level_bpe tokenizer_of_gguf(gguf_vocabulary from, std::string_view name) {
  return detail::reading("GGUF vocabulary", name, [&] {
    if (from.model != "gpt2")
      throw unsupported_error{message("the tokenizer ", quotation(from.model), ", which is not 'gpt2'")};
    detail::gguf_rules const& rules = detail::rules_of_gguf(from.pre);
    bpe_parts parts{.split = pre_tokenizer_named(rules.name), .form = rules.form, .whole = rules.whole};
    detail::read_tokens(parts, from);
    parts.merges.reserve(from.merges.size());
    for (std::size_t i = 0; i < from.merges.size(); ++i) detail::add_merge(parts, from.merges[i], i);
    parts.special = from.special;
    parts.frame = std::move(from.frame);
    return byte_level_bpe{std::move(parts)};
  });
}

}  // namespace basin::lm
