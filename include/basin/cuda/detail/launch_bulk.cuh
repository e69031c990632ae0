// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Launches of the Hopper kernels: whether a call can use them, and the TMA maps of the streamed tensors.

#include <cudaTypedefs.h>

#include "basin/cuda/detail/bulk_roles.hpp"
#include "basin/cuda/detail/launch.cuh"
#include "basin/cuda/hopper.cuh"

namespace basin::gpu::detail {

/// A build for other targets than sm_90a contains a stub instead of the kernel. The host recognises it by this size of
/// its static shared memory. (The system's own share of a block is 1 KiB.)
inline constexpr std::size_t bytes_of_absent = 8192;

template <template <class, class> class Block, class Call, class N, class K, class P, class O, class S>
__global__ void __launch_bounds__(threads_in_roles<Call>, 1)
    bulk_kernel(typename Call::arguments rest, __grid_constant__ box_maps const maps, N normalize, K visible, P prune,
                O observe, S score) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  Call const call({normalize, visible, prune, observe, score}, rest);
  run_in_roles<Block>(hopper<role::consumer>(maps), call);
#else
  __shared__ int volatile absent[bytes_of_absent / sizeof(int)];
  absent[threadIdx.x] = 0;
#endif
}

/// The driver's function that encodes a TMA map, or nullptr. The runtime finds it, so the driver need not be linked.
inline PFN_cuTensorMapEncodeTiled_v12000 map_encoder() {
  static auto const found = [] {
    void* entry = nullptr;
    cudaDriverEntryPointQueryResult status{};
    bool const ok = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault,
                                                     &status) == cudaSuccess;
    bool const usable = ok && status == cudaDriverEntryPointSuccess;
    return usable ? reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(entry) : nullptr;
  }();
  return found;
}

/// Encodes the TMA map of a tensor for boxes of 64 numbers by `rows` rows. Returns false where TMA cannot copy it:
/// numbers of a row that are not contiguous, rows that do not begin at multiples of 16 bytes, a stride of 0 (expanded
/// heads or batches).
template <class E>
bool map_of(view<E, 4> const& v, int rows, CUtensorMap& map) {
  constexpr auto type = std::is_same_v<std::remove_const_t<E>, bfloat16> ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                                                                         : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  auto* const start = const_cast<std::remove_const_t<E>*>(v.data_handle());
  if ((v.extent(3) > 1 && v.stride(3) != 1) || reinterpret_cast<std::uintptr_t>(start) % 16 != 0) return false;
  cuuint64_t extents[4] = {static_cast<cuuint64_t>(v.extent(3))}, bytes[3];
  for (int n = 1; n < 4; ++n) {
    int const axis = 3 - n;
    extents[n] = static_cast<cuuint64_t>(v.extent(axis));
    bytes[n - 1] = v.extent(axis) > 1 ? static_cast<cuuint64_t>(v.stride(axis)) * sizeof(E) : 16;
    if (v.stride(axis) < 0 || bytes[n - 1] == 0 || bytes[n - 1] % 16 != 0) return false;
  }
  cuuint32_t const box[4] = {shared_matrix::panel, static_cast<cuuint32_t>(rows), 1, 1}, every[4] = {1, 1, 1, 1};
  auto const encode = map_encoder();
  return encode != nullptr &&
         encode(&map, type, 4, start, extents, bytes, box, every, CU_TENSOR_MAP_INTERLEAVE_NONE,
                CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

/// Whether the current device is a Hopper GPU and the kernel was compiled for it.
template <class Kernel>
bool runs_here(Kernel* run) {
  int device = 0, major = 0;
  cudaFuncAttributes attributes{};
  if (cudaGetDevice(&device) != cudaSuccess) return false;
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess || major != 9)
    return false;
  if (cudaFuncGetAttributes(&attributes, run) == cudaSuccess) return attributes.sharedSizeBytes < bytes_of_absent;
  cudaGetLastError();                                            // clears the error, which has no consequence
  return false;
}

/// Launches a block of the Hopper generation whose streamed tiles come from two tensors. Returns false, without any
/// effect, where the GPU, the build or the tensors do not allow it.
template <template <class, class> class Block, class Call, class First, class Second>
bool launch_bulk(char const* caller, Call const& c, First const& first, Second const& second, cudaStream_t stream) {
  auto const& use = c.use;
  auto* const run = &bulk_kernel<Block, Call, decltype(use.normalize), decltype(use.visible), decltype(use.prune),
                                 decltype(use.observe), decltype(use.score)>;
  box_maps maps;
  if (!runs_here(run)) return false;
  if (!map_of(first, Call::cut.columns, maps.of[0]) || !map_of(second, Call::cut.columns, maps.of[1])) return false;
  constexpr int bytes = Call::shared_bytes + 1024;               // column panels begin at multiples of 1024
  launch_kernel(caller, run, Block<hopper<role::consumer>, Call>::blocks(c), threads_in_roles<Call>, bytes, stream,
                static_cast<typename Call::arguments const&>(c), maps, use.normalize, use.visible, use.prune,
                use.observe, use.score);
  return true;
}

/// The type of a Hopper call, CallOf<selector>, or void where the selector or E has none.
template <template <class> class CallOf, class E, int Dim, class Selector>
struct hopper_call {
  using type = void;
};
template <template <class> class CallOf, class E, int Dim, class Selector>
  requires(sizeof(E) == 2 && Dim % shared_matrix::panel == 0 && Dim <= Selector::hopper::most_dim)
struct hopper_call<CallOf, E, Dim, Selector> {
  using type = CallOf<typename Selector::hopper>;
};

/// Launches a block in the best generation available. Streamed tiles come from `first` and `second`.
template <template <class, class> class Block, class Portable, class Hopper, class First, class Second>
void launch_best(char const* caller, typename Portable::attention_type const& use,
                 typename Portable::arguments const& rest, First const& first, Second const& second,
                 cudaStream_t stream) {
  if constexpr (!std::is_void_v<Hopper>)
    if (launch_bulk<Block>(caller, Hopper(use, rest), first, second, stream)) return;
  launch<Block>(caller, Portable(use, rest), stream);
}

}  // namespace basin::gpu::detail
