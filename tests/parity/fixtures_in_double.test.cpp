// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp and cpu/backward.hpp in double against PyTorch.
#include "parity/fixtures.hpp"

namespace basin_test {

TEST_CASE("the cpu engine agrees with PyTorch in double", "[parity][cpu]") {
  compare_with_all_fixtures<double, engine_cpu>();
}

}  // namespace basin_test
