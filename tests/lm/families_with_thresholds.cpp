// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A unit of its own, so that both compile at once.
#include "basin/lm/policies/catalogue.hpp"
#include "families.hpp"

namespace basin_test {

void add_thresholds_in_double(basin::lm::registry& to) {
  basin::lm::add_set_family<double>(to);
  basin::lm::add_threshold_family<double>(to);
}

}  // namespace basin_test
