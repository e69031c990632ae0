// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What is run on a device and by the reference, in units of different compilers: the same list of policies.

#include <tuple>

#include "basin/attention.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/sliding_window.hpp"
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/sigmoid.hpp"
#include "basin/normalize/softmax_n.hpp"
#include "basin/normalize/softpick.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/normalize/top_p.hpp"
#include "basin/score/soft_cap.hpp"

namespace basin_test {

/// Every composition that is tried on a device: each class of algorithm, masks that skip tiles, a bent score.
template <class Attention>
struct named_policy {
  char const* name;
  Attention use;
};
inline auto device_policies() {
  basin::attention<> const full;
  auto const causal = full.with(basin::causal{});
  return std::tuple{named_policy{"softmax", full},
                    named_policy{"causal", causal},
                    named_policy{"window", full.with(basin::sliding_window{.left = 70})},
                    named_policy{"soft cap", causal.with(basin::soft_cap{3})},
                    named_policy{"ssmax", causal.with(basin::length_scaled<basin::softmax>{})},
                    named_policy{"softmax_n", full.with(basin::softmax_n{})},
                    named_policy{"softpick", causal.with(basin::softpick{})},
                    named_policy{"top_k", full.with(basin::top_k{64})},
                    named_policy{"top_p", full.with(basin::top_p{0.9})},
                    named_policy{"sparsemax", full.with(basin::sparsemax{})},
                    named_policy{"entmax15", full.with(basin::entmax15{})},
                    named_policy{"sigmoid", causal.with(basin::sigmoid{})}};
}
inline constexpr int device_policy_count = std::tuple_size_v<decltype(device_policies())>;

/// One call in memory of the host: [batch, heads, length, dim], dense. Outputs and what observers report are written.
template <class E>
struct host_call {
  basin::problem p;
  E const *q, *k, *v, *dout;
  float *out, *dq, *dk, *dv;
  double *received, *nats, *heaviest;                            // of the forward call
  double* received_again;                                        // of the backward call
};

/// Runs policy N, forward and backward, on the device: everything is copied there, and back. Each N is a unit of its own, as nvcc takes
/// a minute for one (tests/gpu.sh).
///
/// Errors    cuda_error
template <int N, class E>
void run_on_device(host_call<E> const& c);

/// What calls of policy N in bf16 take, in milliseconds: the median of `repeats`, by events.
struct timed {
  double forward_ms, backward_ms, with_received_ms, with_entropy_ms, backward_with_received_ms;
};
template <int N>
timed time_on_device(basin::problem const& p, int repeats);

}  // namespace basin_test
