// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The GPU as a machine (cuda/machine.hpp), sm_80 and later. Each function is one instruction.

#include "basin/core/half.hpp"
#include "basin/cuda/machine.hpp"

namespace basin::gpu {

struct device {
  __device__ int thread() const { return static_cast<int>(threadIdx.x); }
  __device__ index_t block() const { return blockIdx.x; }
  __device__ std::byte* shared() const {
    extern __shared__ uint4 basin_shared_memory[];
    return reinterpret_cast<std::byte*>(basin_shared_memory);
  }

  __device__ void sync() const { __syncthreads(); }
  __device__ bool any(bool mine) const { return __syncthreads_or(mine) != 0; }
  __device__ bool any_of_warp(bool mine) const { return __any_sync(0xffffffffu, mine) != 0; }
  __device__ word from_lane_xor(word mine, int mask) const { return __shfl_xor_sync(0xffffffffu, mine, mask); }

  __device__ void copy_async(std::byte* to, std::byte const* from, bool there) const {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address(to)), "l"(from), "r"(there ? 16 : 0)
                 : "memory");
  }
  __device__ void commit() const { asm volatile("cp.async.commit_group;" ::: "memory"); }
  template <int N>
  __device__ void wait_for_all_but() const {
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
  }

  __device__ words4 load_matrices(std::byte const* row) const {
    words4 w;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
                 : "r"(address(row))
                 : "memory");
    return w;
  }
  __device__ words4 load_matrices_transposed(std::byte const* row) const {
    words4 w;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
                 : "r"(address(row))
                 : "memory");
    return w;
  }

  template <class E>
  __device__ word pack(float low, float high) const {
    word w;
    if constexpr (std::is_same_v<E, bfloat16>) asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(high), "f"(low));
    else asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(high), "f"(low));
    return w;
  }
  template <class E>
  __device__ void multiply_add(cuda::std::array<float, 4>& c, words4 const& a, words2 const& b) const {
    if constexpr (std::is_same_v<E, bfloat16>)
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
          "{%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else if constexpr (std::is_same_v<E, float16>)
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
          "{%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else if constexpr (std::is_same_v<E, tf32>)
      asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
          "{%8, %9}, {%0, %1, %2, %3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(rounded(a[0])), "r"(rounded(a[1])), "r"(rounded(a[2])), "r"(rounded(a[3])), "r"(rounded(b[0])),
            "r"(rounded(b[1])));
    else
      exactly(c, a, b);
  }

 private:
  __device__ static unsigned address(void const* shared) {
    return static_cast<unsigned>(__cvta_generic_to_shared(shared));
  }

  __device__ static word rounded(word w) {
    word to;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(to) : "f"(__uint_as_float(w)));
    return to;
  }
  /// fp32 without rounding to TF32: the lanes exchange their operands by shuffles.
  __device__ void exactly(cuda::std::array<float, 4>& c, words4 const& a, words2 const& b) const {
    int const lane = thread() % 32, g = lane / 4, t = lane % 4;
    auto const from = [](word w, int other) { return __uint_as_float(__shfl_sync(0xffffffffu, w, other)); };
    BASIN_UNROLL
    for (int k = 0; k < 8; ++k) {
      float const low = from(a[k / 4 * 2], 4 * g + k % 4), high = from(a[k / 4 * 2 + 1], 4 * g + k % 4);
      float const left = from(b[k / 4], 8 * t + k % 4), right = from(b[k / 4], 8 * t + 4 + k % 4);
      c[0] = fmaf(low, left, c[0]), c[1] = fmaf(low, right, c[1]);
      c[2] = fmaf(high, left, c[2]), c[3] = fmaf(high, right, c[3]);
    }
  }
};

static_assert(machine<device>);

}  // namespace basin::gpu
