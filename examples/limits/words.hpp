// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include "limits/summary.hpp"

namespace basin::limits {

inline std::vector<report::finding> put_in_words(findings const&) { return {}; }

}  // namespace basin::limits
