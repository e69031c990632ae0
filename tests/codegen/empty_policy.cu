// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The kernel that a call without any policy gets: attention<>{} in bf16, dims of up to 64. Compared with by_hand.cu by compare.py.

#include "basin/basin.cuh"

namespace {

struct one_dim : basin::gpu::default_tuning {
  static constexpr int dims[] = {64};
};

}  // namespace

void launch_empty_policy(basin::view<basin::bfloat16 const, 4> q, basin::view<basin::bfloat16 const, 4> k, basin::view<basin::bfloat16 const, 4> v,
                         basin::view<basin::bfloat16, 4> out, cudaStream_t stream) {
  basin::forward<one_dim>(basin::attention<>{}, q, k, v, out, stream);
}
