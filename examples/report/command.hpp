// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The command line of a report.

#include <string>
#include <string_view>

#include "basin/core/error.hpp"

namespace basin::report {

/// The command that makes this report again. --out and --plotly are left out: they do not change the figures.
inline std::string command_of(std::string command, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string_view const word = argv[i];
    if (word == "--out" || word == "--plotly") ++i;
    else if (!word.starts_with("--out=") && !word.starts_with("--plotly=")) command += message(" ", word);
  }
  return command;
}

}  // namespace basin::report
