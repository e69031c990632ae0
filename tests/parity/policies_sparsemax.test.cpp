// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp and cpu/backward.hpp with sparsemax, every mask, pruner and observer.
#include "parity/policies.hpp"

namespace basin_test {

TEMPLATE_TEST_CASE("sparsemax on the cpu agrees with the reference under every policy", "[parity][cpu]", float,
                   double) {
  compare_policies<TestType>(normalizer_case{"sparsemax", basin::sparsemax{}}, numbers::grid, 1);
  compare_policies<TestType>(normalizer_case{"ssmax of sparsemax", basin::length_scaled<basin::sparsemax>{}},
                             numbers::grid, 2.1);
  compare_policies<TestType>(
      normalizer_case{"log-n of sparsemax", basin::length_scaled<basin::sparsemax, basin::log_n>{{}, {8}}},
      numbers::grid, 2.35);
}

}  // namespace basin_test
