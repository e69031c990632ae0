// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A Hopper GPU as a machine (cuda/group_machine.hpp), sm_90a. Each function is one instruction.

#include <cuda.h>

#include "basin/cuda/detail/group_products.cuh"
#include "basin/cuda/device.cuh"

namespace basin::gpu {

/// The TMA maps of the two streamed tensors. A kernel parameter in constant memory.
struct box_maps {
  CUtensorMap of[2];
};

/// What the threads of a machine do: consumers compute, producers load.
enum class role { consumer, producer };

template <role Role>
struct hopper : device {
  static constexpr bool computes = Role == role::consumer;
  box_maps const* maps;

  __device__ explicit hopper(box_maps const& tensors) : maps(&tensors) {}
  __device__ hopper<role::producer> fetching() const { return hopper<role::producer>(*maps); }

  /// The shared memory from the first multiple of 1024 on, where column panels may begin.
  __device__ std::byte* shared() const {
    auto const start = reinterpret_cast<std::uintptr_t>(device::shared());
    return reinterpret_cast<std::byte*>((start + 1023) / 1024 * 1024);
  }
  __device__ std::uint32_t address(void const* in_shared) const {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(in_shared));
  }

  __device__ void start(arrival_barrier* b, int arrivals) const {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address(b)), "r"(arrivals) : "memory");
  }
  __device__ void barriers_started() const { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
  __device__ void arrive(arrival_barrier* b) const {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address(b)) : "memory");
  }
  __device__ void arrive_expecting(arrival_barrier* b, int bytes) const {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address(b)), "r"(bytes) : "memory");
  }
  __device__ void wait(arrival_barrier* b, int parity) const {
    asm volatile("{.reg .pred done; again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1; @!done bra again;}"
                 ::"r"(address(b)), "r"(parity)
                 : "memory");
  }
  __device__ void copy_box(int tensor, int column, int row, int head, int batch, std::byte* to,
                           arrival_barrier* b) const {
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4, %5}], [%6];"
                 ::"r"(address(to)), "l"(&maps->of[tensor]), "r"(column), "r"(row), "r"(head), "r"(batch),
                 "r"(address(b))
                 : "memory");
  }
  __device__ void show_writes() const { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
  __device__ void sync_some(int number, int threads) const {
    asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
  }
  __device__ void arrive_some(int number, int threads) const {
    asm volatile("bar.arrive %0, %1;" ::"r"(number), "r"(threads) : "memory");
  }
  __device__ void sync_warp() const { __syncwarp(); }
  __device__ int same_in_warp(int n) const { return __shfl_sync(0xffffffffu, n, 0); }

  __device__ void begin_products() const { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
  __device__ void end_products() const { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
  template <int Sets>
  __device__ void wait_for_all_products_but() const {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Sets) : "memory");
  }
  template <class E, int N>
  __device__ void multiply(cuda::std::array<float, 4> (&sums)[N / 8], shared_matrix a, shared_matrix b,
                           bool add) const {
    detail::multiply_group<E, N>(sums, a, b, add);
  }
  template <class E, int N>
  __device__ void mix(cuda::std::array<float, 4> (&sums)[N / 8], words4 const& a, shared_matrix b) const {
    detail::mix_group<E, N>(sums, a, b);
  }
  template <int Tiles>
  __device__ void hold(cuda::std::array<float, 4> (&sums)[Tiles]) const {
    BASIN_UNROLL
    for (int n = 0; n < Tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) asm volatile("" : "+f"(sums[n][e])::"memory");
    }
  }

  template <int Count>
  __device__ void hold(words4 (&words)[Count]) const {
    BASIN_UNROLL
    for (int n = 0; n < Count; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) asm volatile("" : "+r"(words[n][e])::"memory");
    }
  }

  /// In a block of `Threads` consumer threads and 128 producer threads, registers move from the producers to the
  /// consumers, within the 64 Ki registers of a multiprocessor.
  template <int Threads>
  __device__ void raise_registers() const {
    static_assert(Threads <= 384, "basin: the registers of a multiprocessor suffice for three groups of consumers");
    if constexpr (Threads > 128) asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Threads == 256 ? 232 : 152));
  }
  template <int Threads>
  __device__ void lower_registers() const {
    if constexpr (Threads > 128) asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(40));
  }
};

static_assert(group_machine<hopper<role::consumer>>);

}  // namespace basin::gpu
