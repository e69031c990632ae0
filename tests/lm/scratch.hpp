// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A folder of its own for one test, and files as texts.

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <string_view>

#include "basin/core/error.hpp"
#include "basin/lm/io/files.hpp"

namespace basin_test {

struct scratch {
  scratch() { std::filesystem::create_directories(path); }
  scratch(scratch const&) = delete;
  scratch& operator=(scratch const&) = delete;
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }

  std::filesystem::path operator/(std::string_view name) const { return path / name; }

  static std::string next_name() {
    static std::atomic<int> count{0};
    return basin::message("basin_test_", ::getpid(), '_', count++);
  }

  std::filesystem::path const path = std::filesystem::temp_directory_path() / next_name();
};

inline std::string text_of(std::filesystem::path const& path) {
  auto const bytes = basin::lm::read_file(path);
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

inline std::size_t files_in(std::filesystem::path const& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] auto const& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

}  // namespace basin_test
