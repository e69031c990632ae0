// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "basin/lm/io/files.hpp"
#include "basin/lm/io/folder_lock.hpp"

namespace basin::report {

/// The folder of a report, created and locked while this object lives. Temporary files that killed processes left in it
/// are removed.
///
/// Throws    file_error: the folder cannot be created or written, or another process writes to it
class locked_folder {
public:
  /// `files` are the names of all files that the program writes there.
  locked_folder(std::filesystem::path const& folder, std::span<std::string_view const> files) : lock(created(folder)) {
    lm::remove_unfinished(folder, files);
    lm::staged_file const probe{folder / files.front()};
  }

private:
  static std::filesystem::path const& created(std::filesystem::path const& folder) {
    lm::make_folder(folder);
    return folder;
  }

  lm::folder_lock lock;
};

}  // namespace basin::report
