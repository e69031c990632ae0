// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

namespace basin_test {

enum class capture_mode { global, relaxed };

/// What became of forward, backward and decode in a graph.
struct replay {
  std::size_t nodes = 0;                                         // of the graph: kernels
  std::size_t of_hopper = 0;                                     // those of more than 256 threads, which are of Hopper's generation
  std::size_t numbers = 0, differing = 0, unwritten = 0;         // outputs after replays on changed inputs, against direct calls
  std::size_t bytes_allocated = 0;                               // by the device while calls were captured
};

/// Captures forward (watched), backward and decode on one stream into a graph, and replays it twice, each time on other inputs in the same
/// memory and with poison in the outputs.
///
/// Errors    cuda_error: also where a call allocates or waits for the device, which a stream that is captured refuses
replay replay_in_graph(capture_mode mode);

/// Whether the device is of Hopper's generation, whose kernels dense tensors of 16 bits should then take.
bool is_hopper();

/// Whether a stream that is captured refuses an allocation: that the above would notice one.
bool capture_refuses_allocation();

}  // namespace basin_test
