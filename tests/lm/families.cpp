// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "families.hpp"

#include "basin/lm/policies/catalogue.hpp"

namespace basin_test {

basin::lm::registry const& normalizers_in_double() {
  static basin::lm::registry const all = [] {
    basin::lm::registry r;
    basin::lm::add_softmax_family<double>(r);
    basin::lm::add_signed_family<double>(r);
    basin::lm::add_pointwise_family<double>(r);
    add_thresholds_in_double(r);
    return r;
  }();
  return all;
}

}  // namespace basin_test
