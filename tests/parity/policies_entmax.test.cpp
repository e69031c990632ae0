// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp and cpu/backward.hpp with the normalizers that search, every mask, pruner and observer.
#include "parity/policies.hpp"

namespace basin_test {

TEST_CASE("entmax on the cpu agrees with the reference under every policy", "[parity][cpu]") {
  compare_in_float(
      normalizer_case{"asentmax", basin::length_scaled<basin::entmax15, basin::asentmax>{{}, {1, {0.3}, {0.8}}}},
      numbers::grid, 2.1);
  compare_in_float(normalizer_case{"entmax 1.25", basin::entmax{{1.25}}}, numbers::grid, 1);
}

TEST_CASE("top_p on the cpu agrees with the reference under every policy", "[parity][cpu]") {
  for (double const p : {0.3, 0.85}) compare_in_float(normalizer_case{"top_p", basin::top_p{p}}, numbers::grid, 1);
}

TEST_CASE("softmax scaled by position and by entropy on the cpu agrees with the reference under every policy",
          "[parity][cpu]") {
  compare_in_float(normalizer_case{"adaptive temperature", basin::adaptive_temperature{}}, numbers::normal, 2.5);
  compare_in_float(
      normalizer_case{"position steps", basin::length_scaled<basin::softmax, basin::position_steps>{{}, {0.5, 8}}},
      numbers::normal, 2.5);
}

TEST_CASE("normalizers that need no count of visible keys stream and decode as the reference", "[parity][cpu]") {
  using namespace basin;
  float const logits[] = {-1, 0.5f, 3, 1};
  auto const sinks = attention<>{}.with(sink_logit{{0, contiguous(logits, 4)}}).with(causal{});
  auto const steps = attention<>{}.with(length_scaled<softpick, position_steps>{{}, {0.5, 64}}).with(causal{});
  STATIC_REQUIRE(starts_uncounted<decltype(sinks.normalize)>);
  STATIC_REQUIRE(starts_uncounted<decltype(steps.normalize)>);
  STATIC_REQUIRE(!starts_uncounted<length_scaled<softpick, ssmax>>);
  for (auto const& s : {shape{2, 4, 2, 37, 131, 16, 8}, shape{1, 4, 2, 1, 2500, 16, 8}}) {
    compare_forward<float>(sinks, s, numbers::normal, 1, cpu_stream);
    compare_forward<float>(sinks, s, numbers::normal, 1, cpu_decode);
    compare_forward<float>(steps, s, numbers::grid, 3, cpu_stream);
    compare_forward<float>(steps, s, numbers::grid, 3, cpu_decode);
  }
}

}  // namespace basin_test
