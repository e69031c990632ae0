// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Skips a test and names what is missing. Catch2 2 has no SKIP, so a test calls skip("...") and returns; the main
// function then returns exit code 4, which CTest shows as "Skipped". A failed check in the same run still fails.

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "support/catch.hpp"

namespace basin_test {

inline constexpr int exit_code_of_skipped = 4;

/// The number of skips in this run.
inline int& skipped() {
  static int count = 0;
  return count;
}

/// Marks the running test as skipped, with the reason; the test must return right after.
inline void skip(std::string const& reason) {
  ++skipped();
  WARN("skipped: " << reason);
}

/// The path of a real input below BASIN_SHARED_DATA. Without the file, marks the test as skipped and returns nothing.
///
/// Example   auto const text = shared_data("text/tinyshakespeare.txt"); if (!text) return;
inline std::optional<std::filesystem::path> shared_data(std::string_view name) {
  char const* const chosen = std::getenv("BASIN_SHARED_DATA");
  std::filesystem::path const file = std::filesystem::path(chosen ? chosen : BASIN_DEFAULT_SHARED_DATA) / name;
  if (std::filesystem::exists(file)) return file;
  skip(file.string() + " is absent; BASIN_SHARED_DATA=<folder> names another place");
  return std::nullopt;
}

}  // namespace basin_test
