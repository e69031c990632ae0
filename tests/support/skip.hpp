// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Skipping a test by name of what is absent. Catch2 2 has no SKIP, so a test says skip("...") and returns; the main
// function then answers with exit code 4, which CTest shows as "Skipped". A failed check in the same run still fails.

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "support/catch.hpp"

namespace basin_test {

inline constexpr int exit_code_of_skipped = 4;

/// How often this run has skipped something.
inline int& skipped() {
  static int count = 0;
  return count;
}

/// Marks the running test as skipped, with the reason; the test returns right after.
inline void skip(std::string const& reason) {
  ++skipped();
  WARN("skipped: " << reason);
}

/// The path of a real input below BASIN_SHARED_DATA, or nothing, and the test is marked as skipped.
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
