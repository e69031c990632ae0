// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// From a call to kernels: the dims for which kernels exist, the passing of policies one by one, and the launch.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>

#include "basin/cuda/detail/call.hpp"
#include "basin/cuda/device.cuh"
#include "basin/cuda/error.cuh"

namespace basin::gpu::detail {

/// [[no_unique_address]] does not cross the kernel boundary. So policies are passed one by one, and the rest of the
/// call without them.
template <template <class, class> class Block, class Call, class N, class K, class P, class O, class S>
__global__ void __launch_bounds__(Call::threads)
    kernel(typename Call::arguments rest, N normalize, K visible, P prune, O observe, S score) {
  Call const call({normalize, visible, prune, observe, score}, rest);
  device const m;
  Block<device, Call>(m, call, m.block()).run();
}

/// Errors    unsupported_error: more blocks than a grid can have
inline unsigned grid_of(char const* caller, index_t blocks) {
  constexpr index_t most = (index_t{1} << 31) - 1;
  if (blocks > most)
    throw unsupported_error(message(caller, ": the call would take ", blocks,
                                    " blocks of threads, and a grid has at most ", most,
                                    "; split it by batch or heads"));
  return static_cast<unsigned>(blocks);
}

/// Launches `run` with its arguments.
template <class Kernel, class... Arguments>
void launch_kernel(char const* caller, Kernel* run, index_t blocks, int threads, int shared_bytes, cudaStream_t stream,
                   Arguments const&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid_of(caller, blocks);
  config.blockDim = static_cast<unsigned>(threads);
  config.dynamicSmemBytes = static_cast<std::size_t>(shared_bytes);
  config.stream = stream;
  require(caller, "cudaFuncSetAttribute",
          cudaFuncSetAttribute(run, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  require(caller, "cudaLaunchKernelEx", cudaLaunchKernelEx(&config, run, arguments...));
}

template <template <class, class> class Block, class Call>
void launch(char const* caller, Call const& c, cudaStream_t stream) {
  auto const& use = c.use;
  auto* const run = &kernel<Block, Call, decltype(use.normalize), decltype(use.visible), decltype(use.prune),
                            decltype(use.observe), decltype(use.score)>;
  launch_kernel(caller, run, Block<device, Call>::blocks(c), Call::threads, Call::shared_bytes, stream,
                static_cast<typename Call::arguments const&>(c), use.normalize, use.visible, use.prune, use.observe,
                use.score);
}

/// Calls f(std::integral_constant<int, Dim>) with the smallest dim that has kernels and fits the call.
template <class Selector, std::size_t N = 0, class F>
void for_dim(char const* caller, problem const& p, F const& f) {
  constexpr std::size_t last = std::size(Selector::dims) - 1;
  index_t const most = p.dim > p.value_dim ? p.dim : p.value_dim;
  if (most <= Selector::dims[N]) return f(std::integral_constant<int, Selector::dims[N]>{});
  if constexpr (N < last) return for_dim<Selector, N + 1>(caller, p, f);
  else
    throw unsupported_error(message(caller, ": heads have dim ", p.dim, " and value_dim ", p.value_dim,
                                    "; kernels are made for dims of up to ", Selector::dims[last]));
}

/// What kernels require of the policies.
template <class Attention>
constexpr void require_policies_of_a_gpu() {
  using watch_type = observation<decltype(Attention::observe)>;
  static_assert(!fits_rows<decltype(Attention::normalize)>,
                "basin: a GPU needs a normalizer that is streamable or online; one that fits whole rows runs on "
                "the host (concepts/normalizer.hpp)");
  static_assert(!watch_type::wants_whole_rows,
                "basin: observers of whole rows run on the host; on a GPU use observers of rows or keys "
                "(concepts/observer.hpp)");
  static_assert(watch_type::merges,
                "basin: a GPU needs merge(into, from) of every row observer, as four threads share a row "
                "(concepts/observer.hpp)");
}

inline void require_workspace(char const* caller, char const* what, char const* function,
                              std::span<std::byte const> memory, std::size_t needed) {
  if (memory.size() < needed)
    throw shape_error(message(caller, ": the ", what, " has ", memory.size(), " bytes but the call needs ", needed,
                              "; ", function, "(use, problem) returns the size"));
  if (needed > 0 && reinterpret_cast<std::uintptr_t>(memory.data()) % 16 != 0)
    throw shape_error(message(caller, ": the ", what, " begins at an address that is no multiple of 16; "
                              "memory from cudaMalloc is one of 256"));
}

}  // namespace basin::gpu::detail
