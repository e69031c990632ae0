// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp and cpu/backward.hpp with top_k, every mask, pruner and observer.
#include "parity/policies.hpp"

namespace basin_test {

TEMPLATE_TEST_CASE("top_k on the cpu agrees with the reference under every policy", "[parity][cpu]", float, double) {
  for (int const k : {1, 4, 1000})
    compare_policies<TestType>(normalizer_case{"top_k", basin::top_k{k}}, numbers::grid, 1);
  compare_policies<TestType>(normalizer_case{"ssmax of top 3", basin::length_scaled<basin::top_k>{{3}, {}}},
                             numbers::grid, 2.1);
}

}  // namespace basin_test
