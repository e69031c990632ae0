// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled where nvcc is found, for every generation: the kernels of the forward pass, one dim each.

#include "basin/basin.cuh"

using namespace basin;

template <class E, int Dim, class Attention>
void launch(Attention const& use, cudaStream_t stream) {
  using call_type = gpu::detail::call<E, Dim, Attention, E>;
  call_type const c{use};
  gpu::detail::launch<gpu::detail::forward_block>("test", c, stream);
  if constexpr (call_type::watch_type::key_values > 0) gpu::detail::launch<gpu::detail::watch_block>("test", c, stream);
}

void run(received_attention sums, entropy nats, cudaStream_t stream) {
  launch<bfloat16, 128>(attention<>{}, stream);
  launch<float16, 64>(attention<>{}.with(causal{}).with(top_k{64}).with(sums), stream);
  launch<float, 64>(attention<>{}.with(together(sums, nats)), stream);
}
