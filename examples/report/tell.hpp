// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a program with a report says on the terminal after its tables.

#include <cstdio>
#include <filesystem>
#include <span>
#include <string_view>

#include "basin/lm/io/plain_text.hpp"
#include "report/page.hpp"
#include "report/words.hpp"

namespace basin::report {

/// Warnings on stderr, one a line, before the work; they also stand in the report.
inline void warn(std::string_view program, std::span<finding const> warnings) {
  for (auto const& w : warnings)
    std::fprintf(stderr, "%s\n", lm::terminal_message(message(program, ": ", w.headline, " ", w.detail)).c_str());
}

/// The findings in words, and where the report in `folder` and its tables are; `plotly` is where the plotting library
/// was sought.
inline void tell(std::span<finding const> words, plots drawn, std::filesystem::path const& plotly,
                 std::filesystem::path const& folder) {
  std::printf("\n");
  for (auto const& found : words) std::printf("%s\n  %s\n", found.headline.c_str(), found.detail.c_str());
  std::printf("\n");
  if (drawn == plots::missing)
    std::printf("No plots: %s is not there. cmake/setup.sh --report brings it; --plotly names another place.\n",
                plotly.c_str());
  std::printf("report: %s\ntables: %s\n", (folder / "report.html").c_str(), (folder / "*.csv").c_str());
}

}  // namespace basin::report
