// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiled where nvcc is found: a concept cannot see a missing __device__, so every hook of every policy is called
// here.

#include "basin/basin.cuh"
#include "basin/concepts/observation.hpp"
#include "basin/lm/policies/any_law.hpp"
#include "basin/lm/policies/any_mask.hpp"
#include "basin/lm/policies/any_scorer.hpp"

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
  float log_sum = 0.0f;
  if constexpr (knows_log_sum<N>) log_sum = n.log_sum_exp(row);
  return w + log_sum + j.diag + j.outer + j.carry + log_of_term(n, row, scores[0], w);
}

template <class O>
__device__ void watch_row(O o) {
  observation<O> const watch(o);
  typename observation<O>::template rows<float> states{};
  softmax::row<float> const row{1.0f, 0.5f};
  watch.template absorb<softmax>(states, seen_term<float>{0.5f, -0.7f});
  watch.rescale(states, 0.5f, watch.totals(states, softmax{}, row));
  watch.sees_row({0, 0, 0}, watch.report(states, 2.0f, 0.0f, watch.totals(states, softmax{}, row)));
}

template <class M>
__device__ float ask_mask(M m) {
  return m.allows(coord{0, 0, 1, 2}) + (m.covers(tile{0, 0, 0, 4, 0, 4}) == coverage::some);
}

template <class P>
__device__ float ask_pruner(P p) {
  return p.keeps(coord{0, 0, 1, 2}, 0.25f) + (kept(p, tile{0, 0, 0, 4, 0, 4}) == coverage::some);
}

template <class S>
__device__ float ask_scorer(S s) {
  pair_at<float> const pair{0, 0, 1.0f, 2.0f, 0.5f};
  return s.score(2.0f, pair) + s.slope(2.0f, pair);
}

__global__ void call_hooks_of_policies_by_name(float* out, lm::any_mask mask, lm::any_scorer score, lm::any_law law) {
  row_context<float> const context{0, 0, 3.0f, 4.0f};
  out[0] = ask_mask(mask) + ask_scorer(score) + law.scale(context) + law.scale_slopes(context)[1];
  law.sees_parameter_gradient({0, 0, 0}, 1, 2.0);
}

__global__ void call_hooks_of_the_catalogue(float* out, key_padding padding, documents ids, document_starts starts,
                                            keep_keys keep, block_sparse blocks, heavy_hitters heavy,
                                            alibi<soft_cap> biased, mean_received_attention means, log_sum_exp logs) {
  out[0] =
      ask_mask(sliding_window{}) + ask_mask(prefix{}) + ask_mask(block_causal{}) + ask_mask(doubled_block_causal{2, 4});
  out[1] = ask_mask(padding) + ask_mask(ids) + ask_mask(starts) +
           ask_mask(all_of_masks<key_padding, causal>{{padding, causal{}}});
  out[2] = ask_pruner(keep) + ask_pruner(blocks) + ask_pruner(heavy) + ask_pruner(window_with_sinks{}) +
           ask_pruner(score_floor{});
  out[3] = ask_pruner(all_of_pruners<keep_keys, score_floor>{{keep, score_floor{}}});
  out[4] = ask_scorer(biased) + ask_scorer(biased.inner);
  means.sees_key({0, 0, 1}, means.gives(2.0), 4.0);
  log_sum_exp::row<float> row;
  logs.absorb(row, seen_term<float>{0.5f, -0.7f});
  logs.rescale(row, 0.5f);
  logs.sees_row({0, 0, 0}, logs.report(row, 2.0f, 1.0f));
}

__global__ void call_every_hook(float const* scores, int keys, float* out, drop_keys drop, received_attention received,
                                entropy nats, max_weight largest) {
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
