// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "basin/lm/policies/catalogue.hpp"
#include "families.hpp"

namespace basin_test {

void add_families_of_thresholds(basin::lm::registry& to) {
  basin::lm::add_set_family<float, double>(to);
  basin::lm::add_threshold_family<float, double>(to);
}

}  // namespace basin_test
