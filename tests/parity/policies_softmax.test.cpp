// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp and cpu/backward.hpp with the softmax family, every mask, pruner and observer.
#include "parity/policies.hpp"

namespace basin_test {

TEMPLATE_TEST_CASE("softmax on the cpu agrees with the reference under every policy", "[parity][cpu]", float, double) {
  // steepness: 1 / temperature; 0.43 log n; log n / log 8, with at most 131 keys
  compare_policies<TestType>(normalizer_case{"softmax", basin::softmax{}}, numbers::normal, 1);
  compare_policies<TestType>(normalizer_case{"softmax at 0.25", basin::softmax{0.25}}, numbers::normal, 4);
  compare_policies<TestType>(normalizer_case{"ssmax", basin::length_scaled<basin::softmax>{}}, numbers::normal, 2.1);
  compare_policies<TestType>(normalizer_case{"log-n", basin::length_scaled<basin::softmax, basin::log_n>{{}, {8}}},
                             numbers::normal, 2.35);
}

}  // namespace basin_test
