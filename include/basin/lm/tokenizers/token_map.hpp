// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace basin::lm {

struct text_hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// The ids of tokens by their bytes; a std::string_view finds an entry without a copy.
using token_map = std::unordered_map<std::string, int, text_hash, std::equal_to<>>;

}  // namespace basin::lm
