// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <filesystem>

#include "basin/lm/io/files.hpp"

namespace basin::report {

/// Makes the folder of a report, and fails before the work where the report could not be written after it.
///
/// Throws    file_error
inline void require_writable(std::filesystem::path const& folder) {
  lm::make_folder(folder);
  lm::staged_file const probe{folder / "report.html"};
}

}  // namespace basin::report
