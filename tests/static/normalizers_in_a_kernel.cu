// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled where nvcc is found: a concept cannot see a missing __device__, so every hook of every normalizer and law is
// called here.

#include "basin/basin.cuh"

using namespace basin;

template <class N>
__device__ float use_every_hook(N n, float const* scores, int keys) {
  row_context<float> const context{0, 0, float(keys - 1), float(keys)};
  auto row = start_row(n, context), merged = start_row(n, context);
  run_stages(n, row, [&](auto f) { for (int j = 0; j < keys; ++j) f(scores[j]); });
  n.merge(merged, row);
  float const w = weigh(n, row, scores[0]);
  float total = w + log_of_term(n, row, scores[0], w);
  if constexpr (knows_log_sum<N>) total += n.log_sum_exp(row);
  if constexpr (rescales_rows<N>) total += n.rescale(row, merged);
  if constexpr (exponential_normalizer<N>) total += n.exponent(row).slope;
  auto const j = as_low_rank(n.jacobian(row, scores[0], w));
  cuda::std::array<float, jacobian_of<N, float>::rank> delta{};
  gather(delta, j, 0.5f);
  float const ds = score_gradient(j, 0.5f, delta);
  if constexpr (has_parameters<N>)
    for (float const g : n.parameter_gradient(row, scores[0], w, 0.5f, ds)) total += g;
  return total + ds;
}

__global__ void call_every_hook(float const* scores, int keys, float* out, sink_logit sinks, entmax sparse,
                                learned_ssmax learned, asentmax as) {
  int n = 0;
  auto const use = [&](auto normalize) { out[n++] = use_every_hook(normalize, scores, keys); };
  use(softmax_n{});
  use(sinks);
  use(sigmoid{});
  use(relu{});
  use(relu{0.5});
  use(squared_relu{});
  use(softpick{});
  use(self_adjusted{});
  use(self_adjusted_plain{});
  use(top_p{});
  use(entmax15{});
  use(sparse);
  use(adaptive_temperature{});
  use(length_scaled<softmax, learned_ssmax>{{}, learned});
  use(length_scaled<entmax15, asentmax>{{}, as});
  use(length_scaled<sink_logit, learned_ssmax>{sinks, learned});
  use(length_scaled<softmax, su_log_n>{});
  use(length_scaled<softmax, position_steps>{});
  use(length_scaled<softmax, yarn>{});
}
