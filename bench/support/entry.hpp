// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What entries with the calling convention of C do with exceptions.

#include <cstdint>
#include <exception>
#include <string>

namespace basin_bench {

/// What the last entry of this thread that failed had to say.
inline thread_local std::string problem;

/// 0, or 1 where f threw.
template <class F>
std::int32_t answer(F const& f) {
  try {
    f();
    return 0;
  } catch (std::exception const& e) {
    problem = e.what();
    return 1;
  }
}

}  // namespace basin_bench
