// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The tokens that the model reads.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/evaluation/suitability.hpp"
#include "basin/lm/evaluation/word_problems.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/text_corpus.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "limits/options.hpp"

namespace basin::limits {

/// Tokens and their source.
struct model_input {
  std::vector<int> tokens;
  lm::input_kind input;
};

/// A begin token and the first bytes of a file from `offset` on, `length` tokens in all.
///
/// Throws    file_error: not readable; value_error: too short
inline model_input text_input(std::filesystem::path const& path, index_t offset, index_t length) {
  auto const bytes = lm::read_file(path);
  if (std::ssize(bytes) < offset + length - 1)
    throw value_error{message("basin: ", path.string(), " has ", bytes.size(), " bytes; --offset ", offset,
                              " and --lengths up to ", length, " need ", offset + length - 1,
                              ": give a longer text or smaller numbers")};
  model_input m{{lm::begin_id}, {path.string(), lm::fingerprint(std::span(bytes))}};
  for (index_t i = 0; i + 1 < length; ++i)
    m.tokens.push_back(std::to_integer<int>(bytes[static_cast<std::size_t>(offset + i)]));
  return m;
}

/// A begin token and held-out word problems joined end to end.
inline model_input problem_input(std::uint64_t seed, index_t length) {
  philox rng(seed);
  std::vector<int> tokens{lm::begin_id};
  while (std::ssize(tokens) < length) {
    auto const ids = lm::encode(lm::make_problem(rng, lm::split::test));
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  }
  tokens.resize(static_cast<std::size_t>(length));
  return {std::move(tokens), {}};
}

inline model_input input_of(limits_options const& o) {
  return o.text.empty() ? problem_input(o.problems, o.longest()) : text_input(o.text, o.offset, o.longest());
}

}  // namespace basin::limits
