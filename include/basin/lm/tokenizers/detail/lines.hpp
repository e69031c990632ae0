// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace basin::lm::detail {

/// Calls visit(line, number) for the lines of a text that are not empty, without "\n" or "\r\n"; numbers count from 0.
template <class Visit>
void each_line(std::string_view text, Visit visit) {
  for (std::size_t number = 0; !text.empty(); ++number) {
    std::size_t const end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) visit(line, number);
  }
}

}  // namespace basin::lm::detail
