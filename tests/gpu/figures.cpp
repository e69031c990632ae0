// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The figures of the CUDA engine that need no peer: claim NAME VALUE, in bf16 with random numbers, by events.
#include <cstdio>
#include <cstdlib>

#include "gpu/policies.hpp"

namespace {

using namespace basin_test;

void say(char const* name, int dim, char const* unit, double value) { std::printf("claim %s_d%d_l8k%s %.4g\n", name, dim, unit, value); }

template <int N>
void say_next_to(timed const& softmax, basin::problem const& p, int repeats) {
  auto const t = time_on_device<N>(p, repeats);
  std::printf("# %s, d %d: forward %.3g ms, backward %.3g ms (softmax %.3g, %.3g)\n", std::get<N>(device_policies()).name, static_cast<int>(p.dim), t.forward_ms, t.backward_ms,
              softmax.forward_ms, softmax.backward_ms);
}

}  // namespace

int main(int argc, char** argv) {
  int const repeats = argc > 1 ? std::atoi(argv[1]) : 30;
  for (int const dim : {64, 128}) {
    basin::problem const p{2, 16, 16, 8192, 8192, dim, dim};
    double const product = 2.0 * 2 * 16 * 8192 * 8192 * dim;
    auto const full = time_on_device<0>(p, repeats), causal = time_on_device<1>(p, repeats);
    say("cuda_forward_bf16", dim, "_tflops", 2 * product / full.forward_ms * 1e-9);
    say("cuda_backward_bf16", dim, "_tflops", 5 * product / full.backward_ms * 1e-9);
    say("cuda_causal_over_full", dim, "", causal.forward_ms / full.forward_ms);
    if (dim == 128) {
      std::printf("claim cuda_received_attention_overhead %.4g\n", full.with_received_ms / full.forward_ms);
      std::printf("claim cuda_training_received_attention_overhead %.4g\n",
                  (full.forward_ms + full.backward_with_received_ms) / (full.forward_ms + full.backward_ms));
      std::printf("claim cuda_entropy_overhead %.4g\n", full.with_entropy_ms / full.forward_ms);
    }
    say_next_to<7>(full, p, repeats);
    say_next_to<9>(full, p, repeats);
    say_next_to<10>(full, p, repeats);
  }
}
