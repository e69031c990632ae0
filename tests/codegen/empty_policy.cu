// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The kernel of a call without any policy: attention<>{} in bf16, dims up to 64. compare.py compares it with
// by_hand.cu.

#include "basin/basin.cuh"

namespace {

/// One dim, portable kernels only.
struct one_dim {
  static constexpr int dims[] = {64};
  static constexpr basin::gpu::tuning of(int bytes, int dim) { return basin::gpu::default_tuning::of(bytes, dim); }
};

}  // namespace

void launch_empty_policy(basin::view<basin::bfloat16 const, 4> q, basin::view<basin::bfloat16 const, 4> k,
                         basin::view<basin::bfloat16 const, 4> v, basin::view<basin::bfloat16, 4> out,
                         cudaStream_t stream) {
  basin::forward<one_dim>(basin::attention<>{}, q, k, v, out, stream);
}
