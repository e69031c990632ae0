// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/forward.cuh, backward.cuh and decode.cuh in a CUDA graph: captured, so that nothing is allocated and nothing waits, and replayed
// on other inputs. Built and run by tests/gpu.sh alone.
#include "gpu/graph.hpp"
#include "support/catch.hpp"

namespace basin_test {

TEST_CASE("forward, backward and decode are captured into a graph and give the bits of direct calls when it is replayed", "[gpu][graph][reduced]") {
  for (capture_mode const mode : {capture_mode::global, capture_mode::relaxed}) {
    replay const found = replay_in_graph(mode);
    CHECK(found.nodes >= 6);                                     // forward and what keys receive; two of backward; parts and their join
    CHECK(found.numbers > 0);
    CHECK(found.differing == 0);
    CHECK(found.unwritten == 0);
    CHECK(found.bytes_allocated == 0);
    if (is_hopper()) CHECK(found.of_hopper >= 4);                // all but those of decode
  }
}

TEST_CASE("a stream that is captured refuses an allocation", "[gpu][graph]") { CHECK(capture_refuses_allocation()); }

}  // namespace basin_test
