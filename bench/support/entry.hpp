// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Exceptions in entries with the C calling convention.

#include <cstdint>
#include <exception>
#include <string>

namespace basin_bench {

/// The message of the last entry of this thread that failed.
inline thread_local std::string problem;

/// Returns 0, or 1 if f threw.
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
