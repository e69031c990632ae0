// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Tidy tables as text.

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "basin/core/view.hpp"

namespace basin::report {

/// Builds a CSV text (RFC 4180): one observation per row, NaN as an empty field.
class csv {
 public:
  explicit csv(std::string_view header) : out(std::string(header) + "\n") {}

  template <class... Fields>
  void row(Fields const&... fields) {
    char const* separator = "";
    ((out += separator, out += field(fields), separator = ","), ...);
    out += "\n";
  }
  std::string const& text() const { return out; }

 private:
  static std::string field(std::string_view s) {
    if (s.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(s);
    std::string quoted = "\"";
    for (char const c : s) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
  }
  static std::string field(double x) {
    if (std::isnan(x)) return "";
    char digits[32];
    auto const end = std::to_chars(digits, digits + sizeof digits, x, std::chars_format::general, 8).ptr;
    return {digits, end};
  }
  static std::string field(index_t n) { return std::to_string(n); }
  static std::string field(int n) { return std::to_string(n); }

  std::string out;
};

}  // namespace basin::report
