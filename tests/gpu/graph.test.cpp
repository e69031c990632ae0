// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/forward.cuh, backward.cuh and decode.cuh in a CUDA graph: captured, which proves that they neither
// allocate nor synchronise, and replayed on other inputs. Only tests/gpu.sh builds and runs it.
#include "gpu/graph.hpp"
#include "support/catch.hpp"

namespace basin_test {

TEST_CASE("forward, backward and decode in a captured graph give the bits of direct calls", "[gpu][graph][reduced]") {
  for (capture_mode const mode : {capture_mode::global, capture_mode::relaxed}) {
    replay const found = replay_in_graph(mode);
    CHECK(found.nodes >= 6);                                     // forward, received attention; two of backward; decode
    CHECK(found.numbers > 0);
    CHECK(found.differing == 0);
    CHECK(found.unwritten == 0);
    CHECK(found.bytes_allocated == 0);
    if (is_hopper()) CHECK(found.of_hopper >= 4);                // all kernels but those of decode
  }
}

TEST_CASE("a capture refuses an allocation", "[gpu][graph]") { CHECK(capture_refuses_allocation()); }

}  // namespace basin_test
