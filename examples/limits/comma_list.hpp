// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Lists on a command line: "32,64,128".

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "basin/core/error.hpp"

namespace basin::limits {

/// The parts between commas, as numbers or as they are.
///
/// Throws    value_error: a part that is empty or no number; `name` is what it is said of
template <class T>
std::vector<T> comma_list(std::string_view name, std::string_view text) {
  std::vector<T> list;
  for (std::size_t start = 0; start <= text.size();) {
    std::size_t const end = std::min(text.find(',', start), text.size());
    std::string_view const part = text.substr(start, end - start);
    start = end + 1;
    if constexpr (std::is_arithmetic_v<T>) {
      T number{};
      auto const [rest, wrong] = std::from_chars(part.data(), part.data() + part.size(), number);
      if (wrong != std::errc{} || rest != part.data() + part.size())
        throw value_error{message("basin: ", name, " has '", part, "', which is no ", std::is_integral_v<T> ? "whole number" : "number", "; give numbers with commas between them")};
      list.push_back(number);
    } else {
      if (part.empty()) throw value_error{message("basin: ", name, " has an empty name; give names with commas between them")};
      list.emplace_back(part);
    }
  }
  return list;
}

/// The same as text.
template <class T>
std::string comma_text(std::vector<T> const& list) {
  std::string text;
  for (auto const& x : list) text += message(text.empty() ? "" : ",", x);
  return text;
}

}  // namespace basin::limits
