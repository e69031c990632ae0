// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/lm/policies/registry.hpp"

namespace basin_test {

/// Every normalizer by name, for calls in float and in double.
basin::lm::registry const& all_normalizers_by_name();

void add_families_of_thresholds(basin::lm::registry& to);

}  // namespace basin_test
