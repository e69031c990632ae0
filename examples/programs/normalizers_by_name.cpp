// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "programs/normalizers_by_name.hpp"

#include "basin/lm/policies/catalogue.hpp"

namespace basin::programs {

lm::registry const& normalizers_by_name() {
  static lm::registry const all = [] {
    lm::registry r;
    lm::add_softmax_family<float>(r);
    lm::add_signed_family<float>(r);
    lm::add_pointwise_family<float>(r);
    add_normalizers_with_thresholds(r);
    add_your_normalizers(r);
    return r;
  }();
  return all;
}

}  // namespace basin::programs
