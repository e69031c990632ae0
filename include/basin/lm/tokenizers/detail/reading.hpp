// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the readers of tokenizer files share: messages that name the file, and vocabularies in the byte alphabet.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "basin/core/error.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/byte_alphabet.hpp"
#include "basin/lm/tokenizers/byte_level_bpe.hpp"

namespace basin::lm::detail {

/// The largest tokenizer file that is read, in bytes; the largest known ones have 40 MB.
inline constexpr std::uint64_t largest_tokenizer_file = std::uint64_t{1} << 28;

/// The content of a tokenizer file.
///
/// Throws    file_error, as read_file
inline std::string text_of_file(std::filesystem::path const& path) {
  auto const bytes = read_file(path, largest_tokenizer_file);
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

inline std::string_view without_prefix(std::string_view reason) {
  constexpr std::string_view prefix = "basin: ";
  return reason.starts_with(prefix) ? reason.substr(prefix.size()) : reason;
}

/// Runs a reader whose errors are reasons alone, and adds the file and the remedy to them.
///
/// Throws    file_error: the content breaks the rules of its format; unsupported_error: it asks for something unknown
template <class Read>
auto reading(std::string_view kind, std::string_view name, Read read) {
  try {
    return read();
  } catch (unsupported_error const& why) {
    throw unsupported_error{message("basin: ", name, " asks for what is not supported: ", without_prefix(why.what()),
                                    "; use a tokenizer without it")};
  } catch (error const& why) {
    throw file_error{message("basin: ", name, " is not a valid ", kind, ": ", without_prefix(why.what()),
                             "; it may be damaged: copy or make it again")};
  }
}

/// Gives the token with this spelling its id. `most` is the number of all tokens, so that no id can claim memory.
inline void add_token(bpe_parts& parts, std::string_view spelling, std::uint64_t id, std::size_t most) {
  if (spelling.empty()) throw file_error{message("the token with the id ", id, " is empty")};
  if (id >= most)
    throw file_error{message("the token ", quotation(spelling), " has the id ", id, ", but there are only ", most,
                             " tokens: ids have no holes")};
  if (id >= parts.tokens.size()) parts.tokens.resize(static_cast<std::size_t>(id) + 1);
  std::string& place = parts.tokens[static_cast<std::size_t>(id)];
  std::optional<std::string> bytes = bytes_of_spelling(spelling);
  if (!place.empty())
    throw file_error{message("the tokens ", quotation(place), " and ", quotation(bytes ? *bytes : spelling),
                             " have the same id, ", id)};
  place = bytes ? *bytes : std::string{spelling};  // a text in other characters is no product of bytes
  if (bytes && !parts.pieces.emplace(std::move(*bytes), static_cast<int>(id)).second)
    throw file_error{message("the token ", quotation(place), " is there twice")};
}

/// The id of a token by its spelling.
inline int id_of_spelling(bpe_parts const& parts, std::string_view spelling, std::size_t number) {
  auto const bytes = bytes_of_spelling(spelling);
  auto const found = bytes ? parts.pieces.find(*bytes) : parts.pieces.end();
  if (found == parts.pieces.end())
    throw file_error{message("merge ", number, " has ", quotation(spelling), ", which is no token")};
  return found->second;
}

/// Adds merge `number`, counted from 0, of two spelled tokens.
inline void add_merge(bpe_parts& parts, std::string_view left, std::string_view right, std::size_t number) {
  if (left.empty() || right.empty()) throw file_error{message("merge ", number, " has an empty half")};
  int const first = id_of_spelling(parts, left, number), second = id_of_spelling(parts, right, number);
  int const whole = id_of_spelling(parts, std::string{left}.append(right), number);
  if (!parts.merges.add(first, second, {static_cast<std::uint32_t>(number), whole}))
    throw file_error{message("merge ", number, ", ", quotation(left), " and ", quotation(right), ", is there twice")};
}

/// Adds merge `number`, written as two spelled tokens with a space between them.
inline void add_merge(bpe_parts& parts, std::string_view line, std::size_t number) {
  std::size_t const space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
    throw file_error{message("merge ", number, " is ", quotation(line), "; it must be two tokens around one space")};
  add_merge(parts, line.substr(0, space), line.substr(space + 1), number);
}

}  // namespace basin::lm::detail
