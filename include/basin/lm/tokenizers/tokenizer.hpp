// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Any tokenizer as one type, for a program that learns from a checkpoint which one it needs.

#include <concepts>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/added_tokens.hpp"
#include "basin/lm/tokenizers/byte_level_bpe.hpp"
#include "basin/lm/tokenizers/byte_tokenizer.hpp"
#include "basin/lm/tokenizers/llama2c.hpp"
#include "basin/lm/tokenizers/special_ids.hpp"

namespace basin::lm {

/// Whether the first token of a text loses the space that encoding has put in front.
enum class leading_space { kept, dropped };

/// A tokenizer: byte_tokenizer, byte_level_bpe or llama2c_tokenizer. Copies share its tables, and any number of threads
/// may use it. Ids are decoded by token_stream.hpp, chats encoded by chat_template.hpp.
///
/// Throws    value_error: id_of() a text that is no token, bytes_of() an id outside the vocabulary; what encode() of a
///           kind throws
/// Example   tokenizer const words = read_tokenizer(folder); auto const ids = words.encode("Once upon a time");
class tokenizer {
 public:
  using kinds = std::variant<byte_tokenizer, byte_level_bpe, llama2c_tokenizer>;

  /// Any kind, with the special ids that it names itself.
  template <class Kind>
    requires(std::constructible_from<kinds, Kind> && !std::same_as<std::remove_cvref_t<Kind>, tokenizer>)
  tokenizer(Kind&& kind)
      : held(std::make_shared<kinds const>(std::forward<Kind>(kind))),
        roles(std::visit([](auto const& k) { return special_ids{k.special()}; }, *held)) {}

  /// Any kind, with special ids from another file.
  tokenizer(kinds kind, special_ids const& from_elsewhere) : tokenizer(std::move(kind)) { roles = from_elsewhere; }

  /// The ids of a text, without those of frame().
  std::vector<int> encode(std::string_view text, special_tokens treat = special_tokens::as_text) const {
    return std::visit([&](auto const& k) { return k.encode(text, treat); }, *held);
  }

  /// Ids with those around them that the model was trained with: `before`, the ids, `after`.
  std::vector<int> framed(std::span<int const> ids) const {
    auto const around = frame();
    std::vector<int> all = around.before;
    all.insert(all.end(), ids.begin(), ids.end());
    all.insert(all.end(), around.after.begin(), around.after.end());
    return all;
  }

  /// The size of the vocabulary: ids are 0 to size() - 1. A model may have more rows than that.
  int size() const {
    return std::visit([](auto const& k) { return k.size(); }, *held);
  }
  bool has(int id) const { return id >= 0 && id < size(); }

  /// The bytes that an id stands for; they live as long as a copy of the tokenizer.
  std::string_view bytes_of(int id) const {
    if (!has(id))
      throw value_error{message("basin: the id ", id, " is outside the vocabulary of ", size(),
                                " tokens; is this the tokenizer of the model?")};
    return std::visit([&](auto const& k) { return k.bytes_of(id); }, *held);
  }

  std::optional<int> find(std::string_view token) const {
    return std::visit([&](auto const& k) { return k.find(token); }, *held);
  }
  int id_of(std::string_view token) const {
    if (auto const id = find(token)) return *id;
    throw value_error{message("basin: the vocabulary of ", size(), " tokens has no token ", quotation(token),
                              "; is this the tokenizer of the model?")};
  }

  token_role role_of(int id) const {
    return std::visit([&](auto const& k) { return k.role_of(id); }, *held);
  }
  leading_space first_space() const {
    return std::holds_alternative<llama2c_tokenizer>(*held) ? leading_space::dropped : leading_space::kept;
  }
  special_ids const& special() const { return roles; }
  sequence_frame frame() const {
    return std::visit([](auto const& k) { return sequence_frame{k.frame()}; }, *held);
  }

 private:
  std::shared_ptr<kinds const> held;
  special_ids roles;
};

}  // namespace basin::lm
