// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp and cpu/backward.hpp with normalizers whose weights do not sum to 1, every mask, pruner and
// observer.
#include "parity/policies.hpp"

namespace basin_test {

TEST_CASE("softmax with sinks on the cpu agrees with the reference under every policy", "[parity][cpu]") {
  compare_in_float(normalizer_case{"softmax_n", basin::softmax_n{0.3}}, numbers::normal, 1);
  compare_in_float(normalizer_case{"ssmax of sink_logit", basin::length_scaled<basin::sink_logit>{{{0.5}}, {}}},
                   numbers::normal, 2.1);
  compare_in_float(normalizer_case{"softpick", basin::softpick{}}, numbers::grid, 1);
}

TEST_CASE("self-adjusted softmax on the cpu agrees with the reference under every policy", "[parity][cpu]") {
  compare_in_float(normalizer_case{"self_adjusted", basin::self_adjusted{}}, numbers::grid, 2);
  // w = s p with |s| <= 4
  compare_in_float(normalizer_case{"self_adjusted_plain", basin::self_adjusted_plain{}}, numbers::grid, 4);
}

TEST_CASE("pointwise weights on the cpu agree with the reference under every policy", "[parity][cpu]") {
  compare_in_float(normalizer_case{"sigmoid", basin::sigmoid::for_length(131)}, numbers::normal, 1);
  compare_in_float(normalizer_case{"relu", basin::relu{0.5}}, numbers::grid, 1);
  compare_in_float(normalizer_case{"squared_relu", basin::squared_relu{}}, numbers::grid, 4);
}

TEST_CASE("normalizers whose weights do not sum to 1 stream and decode as the reference", "[parity][cpu]") {
  auto const compare = [](auto const& normalize, numbers of, double steep) {
    auto const use = basin::attention<>{}.with(normalize).with(basin::causal{});
    STATIC_REQUIRE(basin::starts_uncounted<decltype(use.normalize)>);
    for (auto const& s : {shape{2, 4, 2, 37, 131, 16, 8}, shape{1, 4, 2, 1, 2500, 16, 8}}) {
      compare_forward<float>(use, s, of, steep, cpu_stream);
      compare_forward<float>(use, s, of, steep, cpu_decode);
    }
  };
  compare(basin::softmax_n{0.3}, numbers::normal, 1);
  compare(basin::self_adjusted_plain{}, numbers::grid, 4);
  compare(basin::sigmoid::for_length(131), numbers::normal, 1);
  compare(basin::relu{0.5}, numbers::grid, 1);
  compare(basin::squared_relu{}, numbers::grid, 4);
}

}  // namespace basin_test
