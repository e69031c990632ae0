// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Lists on a command line: "32,64,128".

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "basin/core/error.hpp"
#include "programs/command_line.hpp"

namespace basin::limits {

/// The parts between commas.
inline std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0; start <= text.size();) {
    std::size_t const end = std::min(text.find(',', start), text.size());
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

/// The numbers between commas.
///
/// Throws    value_error: a part that is no number or not an allowed one; `option` is "--lengths"
template <class T>
std::vector<T> comma_list(std::string_view option, std::string_view text,
                          lm::interval<std::type_identity_t<T>> const& allowed) {
  std::vector<T> list;
  for (auto const part : parts_of(text))
    list.push_back(programs::number_from<T>(message("a number of ", option), part, allowed));
  return list;
}

/// The names between commas.
///
/// Throws    value_error: an empty name
inline std::vector<std::string> comma_names(std::string_view option, std::string_view text) {
  std::vector<std::string> names;
  for (auto const part : parts_of(text)) {
    if (part.empty())
      throw value_error{message("basin: ", option, " has an empty name; give names with commas between them")};
    names.emplace_back(part);
  }
  return names;
}

/// The same as text.
template <class T>
std::string comma_text(std::vector<T> const& list) {
  std::string text;
  for (auto const& x : list) text += message(text.empty() ? "" : ",", x);
  return text;
}

}  // namespace basin::limits
