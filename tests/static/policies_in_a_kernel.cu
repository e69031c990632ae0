// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled where nvcc is found: a concept cannot see a missing __device__, so every hook of every policy is called here.

#include "basin/basin.cuh"

using namespace basin;

template <class N>
__device__ float weight_of_first(N n, float const* scores, int keys) {
  auto row = start_row(n, row_context<float>{0, 0, float(keys - 1), float(keys)});
  run_stages(n, row, [&](auto f) { for (int j = 0; j < keys; ++j) f(scores[j]); });
  auto merged = start_row(n, row_context<float>{0, 0, float(keys - 1), float(keys)});
  n.merge(merged, row);
  if constexpr (rescales_rows<N>) scores += n.rescale(row, merged) > 2.0f;
  float const w = weigh(n, row, scores[0]);
  auto const j = n.jacobian(row, scores[0], w);
  return w + j.diag + j.outer + j.carry + log_of_term(n, row, scores[0], w);
}

template <class O>
__device__ void watch_row(O o) {
  typename O::template row<float> row;
  o.absorb(row, seen_term<float>{0.5f, -0.7f});
  o.rescale(row, 0.5f);
  o.sees_row({0, 0, 0}, o.report(row, 2.0f));
}

__global__ void call_every_hook(float const* scores, int keys, float* out, drop_keys drop, received_attention received, entropy nats, max_weight largest) {
  out[0] = weight_of_first(softmax{}, scores, keys);
  out[1] = weight_of_first(top_k{4}, scores, keys);
  out[2] = weight_of_first(sparsemax{}, scores, keys);
  out[3] = weight_of_first(length_scaled<softmax, ssmax>{}, scores, keys);
  out[4] = weight_of_first(length_scaled<top_k, log_n>{}, scores, keys);
  out[5] = weight_of_first(length_scaled<sparsemax, ssmax>{}, scores, keys);
  coord const cell{0, 0, 1, 2};
  tile const area{0, 0, 0, 4, 0, 4};
  out[6] = causal{}.allows(cell) + unmasked{}.allows(cell) + keep_all{}.keeps(cell, 0.0f) + drop.keeps(cell, 0.0f);
  out[7] = both(causal{}.covers(area), unmasked{}.covers(area)) == both(kept(keep_all{}, area), kept(drop, area));
  pair_at<float> const pair{0, 0, 1.0f, 2.0f, 0.5f};
  out[8] = scaled{}.score(2.0f, pair) + scaled{}.slope(2.0f, pair);
  received.sees_key({0, 0, 1}, received.gives(2.0));
  watch_row(nats);
  watch_row(largest);
}
