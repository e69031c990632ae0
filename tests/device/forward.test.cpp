// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/detail/forward_block.hpp, watch_block.hpp, products.hpp, rows.hpp, call.hpp: the kernels of the forward pass, on the host.
#include "device/host_engine.hpp"
#include "parity/compare.hpp"

namespace basin_test {

TEST_CASE("softmax on the kernels' own terms agrees with the reference", "[device]") {
  for (shape const& s : {shape{1, 1, 1, 1, 1, 8, 8}, shape{1, 2, 1, 40, 50, 16, 24}, shape{2, 3, 3, 33, 17, 32, 8, layout::dim_first, layout::padded}}) {
    compare_forward<float>(basin::attention<>{}, s, numbers::normal, 1, on_host);
    compare_forward<float>(basin::attention<>{}.with(basin::causal{}), s, numbers::normal, 1, on_host);
  }
}

}  // namespace basin_test
