// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Terminal output that the programs with a report share.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "basin/lm/io/plain_text.hpp"
#include "report/page.hpp"

namespace basin::report {

/// Something that makes the figures questionable, and what to do about it.
struct warning {
  std::string what, remedy;
};

/// Warnings on stderr, one a line, before the work; they also stand in the report.
inline void print_warnings(std::string_view program, std::span<warning const> warnings) {
  for (auto const& w : warnings)
    std::fprintf(stderr, "%s\n", lm::terminal_message(message(program, ": ", w.what, " ", w.remedy)).c_str());
}

/// The number of columns that a UTF-8 text takes: continuation bytes take none.
inline std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// A text in lines of at most `columns` columns, each indented by `indent` spaces.
inline std::string wrapped(std::string_view text, std::size_t indent = 0, std::size_t columns = 100) {
  std::string out, line;
  auto const flush = [&] {
    out += std::string(indent, ' ') + line + "\n";
    line.clear();
  };
  for (std::size_t start = 0; start < text.size();) {
    std::size_t const end = std::min(text.find(' ', start), text.size());
    std::string_view const word = text.substr(start, end - start);
    if (!line.empty() && indent + columns_of(line) + 1 + columns_of(word) > columns) flush();
    line += (line.empty() ? "" : " ") + std::string(word);
    start = end + 1;
  }
  if (!line.empty()) flush();
  return out;
}

/// A table whose columns are as wide as their widest cell. The first `left` columns are aligned left, the others right.
class text_table {
public:
  explicit text_table(std::vector<std::string> head, std::size_t left = 1) : left_columns(left) {
    row(std::move(head));
  }
  void row(std::vector<std::string> cells) { rows.push_back(std::move(cells)); }

  std::string text() const {
    std::vector<std::size_t> widths;
    for (auto const& cells : rows)
      for (std::size_t i = 0; i < cells.size(); ++i) {
        if (i == widths.size()) widths.push_back(0);
        widths[i] = std::max(widths[i], columns_of(cells[i]));
      }
    std::string out;
    for (auto const& cells : rows) {
      std::string line;
      for (std::size_t i = 0; i < cells.size(); ++i) {
        std::string const fill(widths[i] - columns_of(cells[i]), ' ');
        line += "  " + (i < left_columns ? cells[i] + fill : fill + cells[i]);
      }
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return out;
  }

private:
  std::size_t left_columns;
  std::vector<std::vector<std::string>> rows;
};

/// Where the report in `folder` and its tables are; `plotly` is where the plotting library was looked for.
inline void print_paths(plots drawn, std::filesystem::path const& plotly, std::filesystem::path const& folder) {
  std::printf("\n");
  if (drawn == plots::missing)
    std::printf("No plots: %s is not there. cmake/setup.sh --report brings it; --plotly names another place.\n",
                plotly.c_str());
  std::printf("report: %s\ntables: %s\n", (folder / "report.html").c_str(), (folder / "*.csv").c_str());
}

}  // namespace basin::report
