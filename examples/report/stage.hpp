// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Progress of a program.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "basin/core/view.hpp"
#include "programs/progress.hpp"

namespace basin::report {

inline constexpr int bar_columns = 20, name_columns = 44;

/// "ar model: hiding sinks                       [##########----------]  50 %"; without the bar where that is too long.
inline std::string stage_line(std::string const& name, index_t done, index_t total, int columns) {
  index_t const all = std::max<index_t>(1, total), now = std::min(done, all);
  auto const full = static_cast<std::size_t>(bar_columns * now / all);
  std::string padded = name, percent = std::to_string(100 * now / all) + " %";
  padded.resize(std::max<std::size_t>(name_columns, name.size()), ' ');
  percent.insert(0, 5 - std::min<std::size_t>(5, percent.size()), ' ');
  std::string const line =
      padded + " [" + std::string(full, '#') + std::string(bar_columns - full, '-') + "] " + percent;
  return static_cast<int>(line.size()) < columns ? line : programs::fitted(percent + "  " + name, columns);
}

/// A progress line of one part of the work, on a terminal only.
class stage {
 public:
   stage(std::string what, index_t steps) : name(std::move(what)), total(steps), shown(isatty(STDERR_FILENO) == 1) {
     show();
   }
  stage(stage const&) = delete;
  stage& operator=(stage const&) = delete;
  ~stage() {
    if (shown) std::fputs("\r\033[K", stderr);
  }
  void tick() {
    ++done;
    show();
  }

 private:
  void show() const {
    if (!shown) return;
    std::fprintf(stderr, "\r\033[K%s", stage_line(name, done, total, programs::terminal_columns()).c_str());
    std::fflush(stderr);
  }
  std::string name;
  index_t done = 0, total;
  bool shown;
};

}  // namespace basin::report
