// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <type_traits>

#include "basin/lm/policies/registry.hpp"
#include "programs/normalizers_by_name.hpp"

namespace basin_test {

/// Every normalizer by name, for calls in float: those of the programs.
inline basin::lm::registry const& all_normalizers_by_name() { return basin::programs::normalizers_by_name(); }

/// The whole catalogue, for calls in double.
basin::lm::registry const& normalizers_in_double();
void add_thresholds_in_double(basin::lm::registry& to);

template <class T>
basin::lm::registry const& normalizers_of() {
  if constexpr (std::is_same_v<T, double>) return normalizers_in_double();
  else return all_normalizers_by_name();
}

}  // namespace basin_test
