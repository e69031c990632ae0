// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The test items: held-out word problems, or windows of a text whose first half is given.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/lm/evaluation/suitability.hpp"
#include "basin/lm/evaluation/word_problems.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "basin/lm/io/text_corpus.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "study/options.hpp"

namespace basin::study {

/// The two kinds of model.
enum class model_kind { autoregressive, diffusion };

/// Classes of tokens.
enum class token_kind { begin, prompt, prompt_padding, masked, answer, answer_padding };

inline constexpr std::string_view kind_names[] = {"begin",  "prompt", "prompt padding",
                                                  "masked", "answer", "answer padding"};

/// Sequences of one length whose first part is given.
struct test_set {
  int length = 0, given = 0;             // ids of a sequence, and of the part that is given
  index_t count = 0;
  std::vector<int> ids;                  // [count, length], as they truly are
  std::vector<lm::word_problem> problems;  // empty for a text
  lm::input_kind input;

  bool is_text() const { return problems.empty(); }
  std::span<int const> sequence(index_t i) const {
    return std::span(ids).subspan(static_cast<std::size_t>(i * length), static_cast<std::size_t>(length));
  }
  std::span<int const> prompt(index_t i) const { return sequence(i).first(static_cast<std::size_t>(given)); }

  /// The kind of token `id` at place `at` of sequence i; at = -1 is the begin token.
  token_kind kind_of(index_t i, int at, int id) const {
    if (at < 0) return token_kind::begin;
    if (id == lm::mask_id) return token_kind::masked;
    if (at >= given)
      return !is_text() && id == lm::answer_padding ? token_kind::answer_padding : token_kind::answer;
    bool const padded = !is_text() && at >= static_cast<int>(problems[static_cast<std::size_t>(i)].prompt.size());
    return padded ? token_kind::prompt_padding : token_kind::prompt;
  }
};

/// The first `count` held-out problems of a seed.
inline test_set problem_test_set(std::uint64_t seed, index_t count) {
  test_set m{.length = lm::problem_length,
             .given = lm::prompt_length,
             .count = count,
             .ids = {},
             .problems = {},
             .input = {}};
  philox rng(seed);
  for (index_t i = 0; i < count; ++i) {
    m.problems.push_back(lm::make_problem(rng, lm::split::test));
    std::ranges::copy(lm::encode(m.problems.back()), std::back_inserter(m.ids));
  }
  return m;
}

/// `count` windows spread evenly over the validation part of a text, or as many as there are without overlap.
///
/// Throws    what lm::text_corpus throws; value_error: fewer than two windows, which have no standard error
inline test_set text_test_set(std::string const& path, int length, index_t count) {
  auto const least = static_cast<std::uintmax_t>(20 * length),
             size = std::filesystem::is_regular_file(path) ? std::filesystem::file_size(path) : least;
  if (size < least)
    throw value_error{message("basin: --text is ", lm::quotation(path), ", which has ", size,
                              " bytes; it must have at least ", least, ": two windows of ", length,
                              " in its last tenth")};
  lm::text_corpus const corpus(path, length);
  auto const part = corpus.validation();
  index_t const most = static_cast<index_t>(part.size()) / length;
  test_set m{.length = length,
             .given = length / 2,
             .count = std::min(count, most),
             .ids = {},
             .problems = {},
             .input = {path, lm::fingerprint(corpus.training(), corpus.validation())}};
  m.ids.resize(static_cast<std::size_t>(m.count * length));
  for (index_t i = 0; i < m.count; ++i)
    lm::copy_window(
        part, static_cast<std::size_t>(i * most / m.count * length),
        std::span(m.ids).subspan(static_cast<std::size_t>(i * length), static_cast<std::size_t>(length)));
  return m;
}

/// A printable name of a token.
inline std::string token_name(int id) {
  if (id == lm::mask_id) return "[mask]";
  if (id == lm::begin_id) return "[begin]";
  if (id == ' ') return "space";
  if (id == '\n') return "newline";
  if (id > ' ' && id < 127) return {static_cast<char>(id)};
  return message("byte ", id);
}

}  // namespace basin::study
