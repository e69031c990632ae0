// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled where nvcc is found, for every generation: the kernels of forward and backward, one dim each; for sm_90a
// those of Hopper's generation as well.

#include "basin/basin.cuh"

using namespace basin;

/// The tuning of a GPU for heads of one dim.
template <class Selector, int Dim>
struct of_dim : Selector {
  static constexpr int dims[] = {Dim};
};

template <int Dim, class E, class Attention>
void run_forward(Attention const& use, view<E const, 4> q, view<E, 4> out, cudaStream_t stream) {
  forward<of_dim<gpu::default_tuning, Dim>>(use, q, q, q, out, stream, {});
}

void run(view<bfloat16 const, 4> q, view<bfloat16, 4> out, view<float16 const, 4> half, view<float16, 4> half_out,
         view<float, 4> gradient, received_attention sums, entropy nats, sink_logit sink, cudaStream_t stream) {
  run_forward<128>(attention<>{}, q, out, stream);
  run_forward<64>(attention<>{}.with(causal{}).with(top_k{64}).with(sums), half, half_out, stream);
  backward<of_dim<gpu::default_backward_tuning, 64>>(attention<>{}.with(sink).with(together(sums, nats)), q, q, q, q,
                                                     gradient, gradient, gradient, stream, {});
}
