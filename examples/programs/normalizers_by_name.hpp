// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The normalizers that every program knows by name: those of the library, and yours (your_normalizers.cpp).

#include "basin/lm/policies/registry.hpp"

namespace basin::programs {

lm::registry const& normalizers_by_name();

/// Adds the normalizers of your_normalizers.cpp.
void add_your_normalizers(lm::registry& to);
void add_normalizers_with_thresholds(lm::registry& to);

}  // namespace basin::programs
