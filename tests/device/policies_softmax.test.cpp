// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/detail/forward_block.hpp and watch_block.hpp with the softmax family, every mask, pruner and observer.
#include "device/policies.hpp"

namespace basin_test {

// Scaling laws multiply scores of 50 keys by 5.3 at most.
TEST_CASE("kernels with the softmax family agree with the reference", "[device]") {
  compare_on_kernels(softmax_family(), 5.3);
}

}  // namespace basin_test
