// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "families.hpp"

#include "basin/lm/policies/catalogue.hpp"

namespace basin_test {

basin::lm::registry const& all_normalizers_by_name() {
  static basin::lm::registry const all = [] {
    basin::lm::registry r;
    basin::lm::add_softmax_family<float, double>(r);
    basin::lm::add_signed_family<float, double>(r);
    basin::lm::add_pointwise_family<float, double>(r);
    add_families_of_thresholds(r);
    return r;
  }();
  return all;
}

}  // namespace basin_test
