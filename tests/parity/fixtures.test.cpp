// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers reference.hpp, cpu/forward.hpp and cpu/backward.hpp in float against PyTorch.
#include "parity/fixtures.hpp"

namespace basin_test {

TEST_CASE("the reference agrees with PyTorch", "[parity][reference]") {
  compare_with_all_fixtures<double, engine_reference>();
}

TEST_CASE("the cpu engine agrees with PyTorch", "[parity][cpu]") { compare_with_all_fixtures<float, engine_cpu>(); }

}  // namespace basin_test
