// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

namespace basin_test {

enum class capture_mode { global, relaxed };

/// The result of forward, backward and decode in a graph.
struct replay {
  std::size_t nodes = 0;                                         // kernels of the graph
  std::size_t of_hopper = 0;                                     // kernels of more than 256 threads: Hopper kernels
  std::size_t numbers = 0, differing = 0, unwritten = 0;         // replays on changed inputs, against direct calls
  std::size_t bytes_allocated = 0;                               // on the device during the capture
};

/// Captures forward (with received attention), backward and decode on one stream into a graph. Replays it twice, each
/// time with other inputs in the same memory and poison in the outputs.
///
/// Errors    cuda_error, also if a call allocates memory or synchronises, which a capture refuses
replay replay_in_graph(capture_mode mode);

/// Whether the device is a Hopper GPU, where dense tensors of 16 bits should use the Hopper kernels.
bool is_hopper();

/// Whether a capture refuses an allocation, so that the test above would detect one.
bool capture_refuses_allocation();

}  // namespace basin_test
