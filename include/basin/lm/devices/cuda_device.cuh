// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the members of cuda_device.hpp do, apart from attention: included by the one unit of a program that instantiates
// launch() for the operations of models, as examples/programs/cuda_device.cu does.

#include <cstdint>

#include "basin/cuda/error.cuh"
#include "basin/lm/devices/cuda_device.hpp"
#include "basin/nn/device/cuda.cuh"

namespace basin::lm {
namespace detail {

inline void require_cuda(char const* what, cudaError_t status) {
  basin::gpu::detail::require("basin::lm::cuda_device", what, status);
}

inline constexpr std::size_t cublas_room = std::size_t{32} << 20;

class pinned_memory final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t) override {
    void* made = nullptr;
    detail::require_cuda("cudaMallocHost", cudaMallocHost(&made, bytes));
    return made;
  }
  void do_deallocate(void* memory, std::size_t, std::size_t) override { cudaFreeHost(memory); }
  bool do_is_equal(memory_resource const& other) const noexcept override { return this == &other; }
};

inline cudaStream_t make_stream() {
  require_gpu();
  cudaStream_t made = nullptr;
  detail::require_cuda("cudaStreamCreate", cudaStreamCreate(&made));
  return made;
}

}  // namespace detail

void require_gpu() {
  auto const refuse = [](std::string const& why) {
    throw unsupported_error(
        message("basin: --device is 'cuda', but ", why,
                "; leave --device out, or run on a machine with an NVIDIA GPU of compute capability 8.0 or later "
                "and its driver"));
  };
  int count = 0, major = 0;
  cudaError_t const status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0)
    refuse(message("no GPU answers: ", cudaGetErrorString(status != cudaSuccess ? status : cudaErrorNoDevice)));
  detail::require_cuda("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
  if (major < 8) refuse(message("the GPU has compute capability ", major, ".x"));
}

void* detail::allocate_on_gpu(std::size_t bytes) {
  void* made = nullptr;
  detail::require_cuda("cudaMalloc", cudaMalloc(&made, bytes));
  detail::require_cuda("cudaMemset", cudaMemset(made, 0, bytes));
  return made;
}
void detail::free_on_gpu(void* memory) noexcept { cudaFree(memory); }
void detail::copy_on_gpu(void* to, void const* from, std::size_t bytes) {
  if (bytes > 0) detail::require_cuda("cudaMemcpy", cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToDevice));
}

/// The stream waits for copies and fills of memory above, which belong to no stream, and they for it.
struct cuda_device::state {
  struct destroy {
    void operator()(cudaStream_t s) const { cudaStreamDestroy(s); }
  };
  std::unique_ptr<CUstream_st, destroy> stream{detail::make_stream()};
  cuda_memory<std::byte> for_products{detail::cublas_room}, for_attention;
  nn::cuda_device device{stream.get(), {for_products.data(), for_products.size()}};
};

cuda_device::cuda_device() : at(std::make_unique<state>()) {}
cuda_device::cuda_device(cuda_device&&) noexcept = default;
cuda_device& cuda_device::operator=(cuda_device&&) noexcept = default;
cuda_device::~cuda_device() = default;

template <class Grid>
void cuda_device::launch(char const* caller, Grid const& grid) {
  at->device.launch(caller, grid);
}
void cuda_device::multiply(view<float const, 2> a, view<float const, 2> b, view<float, 2> c, nn::update how) {
  at->device.multiply(a, b, c, how);
}
double cuda_device::read(double const* number) { return at->device.read(number); }
void cuda_device::put_bytes(void const* from, void* to, std::size_t bytes) {
  if (bytes == 0) return;
  detail::require_cuda("cudaMemcpyAsync",
                       cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, at->stream.get()));
}
void cuda_device::get_bytes(void const* from, void* to, std::size_t bytes) {
  if (bytes > 0)
    detail::require_cuda("cudaMemcpyAsync",
                         cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, at->stream.get()));
  detail::require_cuda("cudaStreamSynchronize", cudaStreamSynchronize(at->stream.get()));
}
std::span<std::byte> cuda_device::workspace_of(std::size_t bytes) {
  if (at->for_attention.size() < bytes) at->for_attention = cuda_memory<std::byte>(bytes);
  return {at->for_attention.data(), at->for_attention.size()};
}

CUstream_st* cuda_device::stream() const { return at->stream.get(); }

std::pmr::memory_resource* cuda_device::shared_memory() {
  static detail::pinned_memory pinned;
  static std::pmr::synchronized_pool_resource pool(&pinned);     // pinning takes long
  return &pool;
}

}  // namespace basin::lm
