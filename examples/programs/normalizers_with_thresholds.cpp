// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A unit of its own, so that both compile at once.

#include "basin/lm/policies/catalogue.hpp"
#include "programs/normalizers_by_name.hpp"

namespace basin::programs {

void add_normalizers_with_thresholds(lm::registry& to) {
  lm::add_set_family<float>(to);
  lm::add_threshold_family<float>(to);
}

}  // namespace basin::programs
