// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp and cpu/backward.hpp with whole-row and streamable archetypes, masks, pruners and observers.
#include "parity/policies.hpp"

namespace basin_test {

TEMPLATE_TEST_CASE("a whole-row or streamable normalizer on the cpu agrees with the reference under every policy",
                   "[parity][cpu]", float, double) {
  compare_policies<TestType>(normalizer_case{"trusting_square", trusting_square{}}, numbers::normal, 1);
  compare_policies<TestType>(normalizer_case{"ssmax of one_plus_square", basin::length_scaled<one_plus_square>{}},
                             numbers::normal, 2.1);
  compare_policies<TestType>(normalizer_case{"shy_square", shy_square{}}, numbers::normal, 1);
}

TEST_CASE("a whole-row normalizer with a Jacobian of rank 2 on the cpu agrees with the reference under every policy",
          "[parity][cpu]") {
  compare_in_float(normalizer_case{"tilted_square", tilted_square{}}, numbers::normal, 2);
}

}  // namespace basin_test
