// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How far a program is.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "basin/core/view.hpp"

namespace basin::report {

/// A line that says how far a part is; on a terminal only.
class stage {
 public:
  stage(std::string what, index_t steps) : name(std::move(what)), total(steps), shown(isatty(STDERR_FILENO) == 1) { show(); }
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
    int const full = static_cast<int>(20 * std::min(done, total) / std::max<index_t>(1, total));
    std::fprintf(stderr, "\r\033[K%-44s [%s%s] %3d %%", name.c_str(), std::string(static_cast<std::size_t>(full), '#').c_str(),
                 std::string(static_cast<std::size_t>(20 - full), '-').c_str(), static_cast<int>(100 * std::min(done, total) / std::max<index_t>(1, total)));
    std::fflush(stderr);
  }
  std::string name;
  index_t done = 0, total;
  bool shown;
};

}  // namespace basin::report
