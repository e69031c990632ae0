// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Text as bytes: a vocabulary that needs no tokenizer file.

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace basin::lm {

/// The vocabulary of the small models: ids 0 to 255 are bytes.
inline constexpr int mask_id = 256;          ///< what a diffusion model sees in place of a hidden token
inline constexpr int begin_id = 257;         ///< what an autoregressive model sees before the first token
inline constexpr int vocabulary_size = 258;

/// The ids of a text.
inline std::vector<int> ids_of(std::string_view text) {
  std::vector<int> ids(text.size());
  std::transform(text.begin(), text.end(), ids.begin(),
                 [](char c) { return static_cast<int>(static_cast<unsigned char>(c)); });
  return ids;
}

/// The text of ids; what is no byte is shown as '_'.
inline std::string text_of_ids(std::span<int const> ids) {
  std::string text(ids.size(), '_');
  std::transform(ids.begin(), ids.end(), text.begin(),
                 [](int id) { return id >= 0 && id < 256 ? static_cast<char>(id) : '_'; });
  return text;
}
}  // namespace basin::lm
