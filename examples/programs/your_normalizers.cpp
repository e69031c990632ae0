// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Your normalizers: include the file that has one, with its basin::lm::described (lm/policies/described.hpp), and add a
// line below. Every program then takes it by name: train --normalizer my_normalizer.

#include "programs/normalizers_by_name.hpp"

namespace basin::programs {

void add_your_normalizers([[maybe_unused]] lm::registry& to) {
  // to.add<my_normalizer, float>();
}

}  // namespace basin::programs
