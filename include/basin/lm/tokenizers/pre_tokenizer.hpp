// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Pre-tokenizers: text in pieces, within which byte pairs are merged. A pre-tokenizer is a list of regular expressions,
// each applied to the pieces of the one before.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/tokenizers/detail/utf8_stretches.hpp"
#include "basin/lm/tokenizers/pattern.hpp"

namespace basin::lm {

/// What becomes of the text between the matches of a pattern.
enum class unmatched_text { kept, dropped };

/// One step: every match is a piece, and so is the text between two matches if it is kept.
struct split_step {
  pattern cut;
  unmatched_text between = unmatched_text::kept;
};

/// Whether a space is put in front of a text that does not begin with one.
enum class prefix_space { none, added };

/// A text in pieces.
///
/// Edges     bytes that are not UTF-8 are pieces of their own, one for each longest stretch; what is a letter or a
///           number is decided by the Unicode tables of PCRE2 (10.42: Unicode 14)
/// Errors    value_error: a search beyond PCRE2's limits
struct pre_tokenizer {
  std::vector<split_step> steps;
  prefix_space prefix = prefix_space::none;

  /// The pieces, from left to right, as parts of `text`; none is empty.
  std::vector<std::string_view> pieces(std::string_view text) const {
    std::vector<std::string_view> all;
    detail::each_stretch(text, [&](std::string_view part, detail::encoding kind) {
      if (kind == detail::encoding::other) {
        all.push_back(part);
        return;
      }
      std::vector<std::string_view> parts{part};
      for (split_step const& step : steps) parts = after(step, parts);
      all.insert(all.end(), parts.begin(), parts.end());
    });
    return all;
  }

 private:
  static std::vector<std::string_view> after(split_step const& step, std::vector<std::string_view> const& parts) {
    std::vector<std::string_view> pieces;
    for (std::string_view const part : parts) {
      std::size_t end = 0;
      auto const keep_unmatched = [&](std::size_t until) {
        if (until > end && step.between == unmatched_text::kept) pieces.push_back(part.substr(end, until - end));
      };
      step.cut.each_match(part, [&](std::size_t first, std::size_t last) {
        keep_unmatched(first);
        pieces.push_back(part.substr(first, last - first));
        end = last;
      });
      keep_unmatched(part.size());
    }
    return pieces;
  }
};

inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view llama3_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s+(?!\S)|\s+)";
inline constexpr std::string_view qwen2_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s+(?!\S)|\s+)";
inline constexpr std::string_view one_digit_pattern = R"(\p{N})";

/// The pre-tokenizers that files name without describing them.
inline constexpr std::array<std::string_view, 4> pre_tokenizer_names{"gpt-2", "llama-3", "qwen2.5", "smollm"};

/// A pre-tokenizer by name: SmolLM's has every numeric character alone and then GPT-2's pattern.
///
/// Throws    value_error: an unknown name
inline pre_tokenizer pre_tokenizer_named(std::string_view name) {
  auto const of = [](auto... patterns) { return pre_tokenizer{{split_step{pattern{patterns}}...}}; };
  if (name == "gpt-2") return of(gpt2_pattern);
  if (name == "llama-3") return of(llama3_pattern);
  if (name == "qwen2.5") return of(qwen2_pattern);
  if (name == "smollm") return of(one_digit_pattern, gpt2_pattern);
  throw value_error{message("basin: there is no pre-tokenizer ", quotation(name), "; there are ",
                            alternatives(pre_tokenizer_names))};
}

}  // namespace basin::lm
