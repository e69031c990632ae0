// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Regular expressions over UTF-8, through PCRE2. The patterns of tokenizers come from other engines: \s means Unicode's
// White_Space here, as it does there, and not PCRE2's set, which also has U+180E.

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8  // <pcre2.h> refuses to be included without it; below, all names end in _8
#endif
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"

namespace basin::lm {

namespace detail {

inline std::string reason_of_pcre2(int code) {
  std::array<PCRE2_UCHAR8, 256> text{};
  pcre2_get_error_message_8(code, text.data(), text.size());
  return reinterpret_cast<char const*>(text.data());
}

/// Copies a regular expression with each \s and \S outside, and each \s inside, of a character class spelled out.
class white_space_speller {
 public:
  /// Throws    value_error: a class within a class or an intersection of classes, which PCRE2 would read otherwise
  explicit white_space_speller(std::string_view regex) : from(regex) {
    while (at < from.size()) {
      std::string_view const next = from.substr(at, 2);
      if (next.size() == 2 && next[0] == '\\') escape(next[1]);
      else if (!in_class && next[0] == '[') open_class();
      else if (in_class && next == "[:") copy(std::min(from.find(":]", at), from.size() - 2) + 2 - at);
      else if (in_class && (next == "&&" || next[0] == '[')) refuse();
      else {
        if (next[0] == ']') in_class = false;
        copy(1);
      }
    }
  }

  std::string spelled;

 private:
  void copy(std::size_t count) {
    spelled += from.substr(at, count);
    at += count;
  }

  void escape(char escaped) {
    constexpr std::string_view members = R"(\t-\r\x{85}\p{Z})";
    if (escaped == 's') spelled += in_class ? std::string{members} : message('[', members, ']');
    else if (escaped == 'S' && !in_class) spelled += message("[^", members, ']');
    else spelled += from.substr(at, 2);
    at += 2;
  }

  /// A bracket right after the beginning of a class is one of its members.
  void open_class() {
    in_class = true;
    copy(1);
    if (from.substr(at).starts_with('^')) copy(1);
    if (from.substr(at).starts_with(']')) copy(1);
  }

  [[noreturn]] void refuse() const {
    throw value_error{message("basin: the pattern ", quotation(from), " combines character classes at byte ", at,
                              ", which is not supported; write one class")};
  }

  std::string_view from;
  std::size_t at = 0;
  bool in_class = false;
};

}  // namespace detail

/// A compiled regular expression; copies share it, and any number of threads may search with it.
///
/// Source    PCRE2 10, pcre2api(3); with Unicode properties, compiled for the processor where PCRE2 can
/// Throws    value_error: a pattern that does not compile (the byte, the reason), or a search beyond PCRE2's limits
/// Edges     matches of no characters are skipped
class pattern {
 public:
  explicit pattern(std::string_view regex) : text(regex) {
    std::string const translated = detail::white_space_speller{regex}.spelled;
    int reason = 0;
    PCRE2_SIZE place = 0;
    code.reset(pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(translated.data()), translated.size(),
                               PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &reason, &place, nullptr),
               pcre2_code_free_8);
    if (!code)
      throw value_error{message("basin: the pattern ", quotation(regex), " is no regular expression: ",
                                detail::reason_of_pcre2(reason), " at byte ", place, " of ", quotation(translated))};
    pcre2_jit_compile_8(code.get(), PCRE2_JIT_COMPLETE);  // without it, searches are slower and no different
    limits.reset(pcre2_match_context_create_8(nullptr), pcre2_match_context_free_8);
    if (!limits) throw std::bad_alloc{};
    pcre2_set_heap_limit_8(limits.get(), heap_limit);
  }

  std::string const& source() const { return text; }

  /// Calls visit(begin, end) for the matches in `valid`, from left to right. The text must be valid UTF-8.
  template <class Visit>
  void each_match(std::string_view valid, Visit visit) const {
    std::unique_ptr<pcre2_match_data_8, decltype(&pcre2_match_data_free_8)> const found{
        pcre2_match_data_create_8(1, nullptr), pcre2_match_data_free_8};
    if (!found) throw std::bad_alloc{};
    auto const* const bounds = pcre2_get_ovector_pointer_8(found.get());
    for (std::size_t from = 0; from < valid.size(); from = bounds[1]) {
      int const count = pcre2_match_8(code.get(), reinterpret_cast<PCRE2_SPTR8>(valid.data()), valid.size(), from,
                                      PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, found.get(), limits.get());
      if (count == PCRE2_ERROR_NOMATCH) return;
      if (count < 0) refuse(detail::reason_of_pcre2(count));
      if (bounds[0] < from || bounds[1] <= bounds[0]) refuse("its matches overlap");
      visit(bounds[0], bounds[1]);
    }
  }

 private:
  static constexpr std::uint32_t heap_limit = 1 << 18;  // KiB

  [[noreturn]] void refuse(std::string const& why) const {
    throw value_error{message("basin: the pattern ", quotation(text), " cannot split this text: ", why,
                              "; use another pattern or split the text first")};
  }

  std::string text;
  std::shared_ptr<pcre2_code_8> code;
  std::shared_ptr<pcre2_match_context_8> limits;
};

}  // namespace basin::lm
