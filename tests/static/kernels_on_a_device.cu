// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled where nvcc is found, for every generation: the kernels of forward and backward, one dim each.

#include "basin/basin.cuh"

using namespace basin;
using namespace basin::gpu::detail;

template <class E, int Dim, class Attention>
void launch_forward(Attention const& use, cudaStream_t stream) {
  using call_type = forward_call<E, Dim, Attention, E>;
  call_type const c(use, {});
  launch<forward_block>("test", c, stream);
  if constexpr (call_type::watch_type::key_values > 0) launch<watch_block>("test", c, stream);
}

template <class E, int Dim, class Attention>
void launch_backward(Attention const& use, cudaStream_t stream) {
  backward_call<E, Dim, Attention, float> const c(use, {});
  launch<query_gradient_block>("test", c, stream);
  launch<key_gradient_block>("test", c, stream);
}

void run(received_attention sums, entropy nats, sink_logit sink, cudaStream_t stream) {
  launch_forward<bfloat16, 128>(attention<>{}, stream);
  launch_forward<float16, 64>(attention<>{}.with(causal{}).with(top_k{64}).with(sums), stream);
  launch_backward<bfloat16, 64>(attention<>{}.with(sink).with(together(sums, nats)), stream);
}
