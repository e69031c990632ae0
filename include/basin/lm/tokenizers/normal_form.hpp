// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Unicode normalisation of text in front of a tokenizer, through utf8proc.

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "basin/core/error.hpp"
#include "basin/lm/tokenizers/detail/utf8_stretches.hpp"

namespace basin::lm {

/// How a tokenizer normalises text: not at all, or by canonical composition (Unicode Standard Annex 15).
enum class normal_form { none, nfc };

namespace detail {

inline bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// Adds the composed form of valid UTF-8.
inline void append_nfc(std::string& out, std::string_view valid) {
  if (is_ascii(valid)) {
    out += valid;
    return;
  }
  utf8proc_uint8_t* composed = nullptr;
  utf8proc_ssize_t const length =
      utf8proc_map(reinterpret_cast<utf8proc_uint8_t const*>(valid.data()), static_cast<utf8proc_ssize_t>(valid.size()),
                   &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> const owner{composed, std::free};
  if (length == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc{};
  if (length < 0) throw value_error{message("basin: a text cannot be normalised: ", utf8proc_errmsg(length))};
  out.append(reinterpret_cast<char const*>(composed), static_cast<std::size_t>(length));
}

}  // namespace detail

/// The text in a normal form. Bytes that are not UTF-8 stay as they are. The result lies in `text` or in `storage`.
///
/// Cost      none for ASCII and for normal_form::none
inline std::string_view normalised(std::string_view text, normal_form form, std::string& storage) {
  if (form == normal_form::none || detail::is_ascii(text)) return text;
  storage.clear();
  detail::each_stretch(text, [&](std::string_view part, detail::encoding kind) {
    if (kind == detail::encoding::utf8) detail::append_nfc(storage, part);
    else storage += part;
  });
  return storage;
}

}  // namespace basin::lm
