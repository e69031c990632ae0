// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp, cpu/backward.hpp and cpu/decode.hpp: every size and layout, with softmax.
#include "parity/compare.hpp"

namespace basin_test {

namespace {

/// Numbers of queries around whole SIMD vectors and whole query tiles; key_counts are around a block of 128 keys.
template <class T>
std::vector<index_t> query_counts() {
  index_t const lanes = basin::cpu::lanes<T>, panel = basin::cpu::panel_vectors<T> * lanes;
  return {1, 2, lanes - 1, lanes, lanes + 1, 2 * lanes, panel - 1, panel, panel + 1, 67};
}
std::vector<index_t> const key_counts{1, 2, 7, 127, 128, 129, 131, 257};
std::vector<index_t> const dims{1, 3, 8, 32, 33, 64, 80, 128};

auto const full = basin::attention<>{};
auto const causal = full.with(basin::causal{});

/// Calls f(shape) for all numbers of queries and keys; dims, layouts and head ratios alternate.
template <class T, class F>
void for_each_shape(F&& f) {
  constexpr layout inputs[] = {layout::heads_first, layout::length_first, layout::padded, layout::dim_first,
                               layout::reversed};
  constexpr layout outputs[] = {layout::heads_first, layout::length_first, layout::padded, layout::dim_first};
  constexpr index_t heads[][2] = {{1, 1}, {2, 1}, {4, 1}, {4, 2}, {3, 3}};
  std::size_t n = 0;
  for (index_t const queries : query_counts<T>())
    for (index_t const keys : key_counts) {
      index_t const dim = dims[n % 5], value_dim = dims[(n / 3) % 5];
      auto const& h = heads[n % 5];
      f(shape{1 + static_cast<index_t>(n % 7 == 0), h[0], h[1], queries, keys, dim, value_dim, inputs[n % 5],
              outputs[n % 4]});
      ++n;
    }
  for (index_t const dim : dims) f(shape{1, 2, 1, 35, 140, dim, dim, inputs[n % 5], outputs[++n % 4]});
}

}  // namespace

TEMPLATE_TEST_CASE("cpu forward agrees with the reference at every size and layout", "[parity][cpu]", float, double) {
  for_each_shape<TestType>([](shape const& s) {
    compare_forward<TestType>(full, s, numbers::normal, 1, cpu_forward);
    compare_forward<TestType>(causal, s, numbers::normal, 1, cpu_forward);
  });
}

TEMPLATE_TEST_CASE("cpu forward in a stream of key blocks agrees with the reference", "[parity][cpu]", float, double) {
  for_each_shape<TestType>([](shape const& s) {
    compare_forward<TestType>(full, s, numbers::normal, 1, cpu_stream);
    compare_forward<TestType>(causal, s, numbers::normal, 1, cpu_stream);
  });
}

TEMPLATE_TEST_CASE("cpu decode agrees with the reference", "[parity][cpu]", float, double) {
  for_each_shape<TestType>(
      [](shape const& s) { compare_forward<TestType>(causal, s, numbers::normal, 1, cpu_decode); });
  for (index_t const keys : {1023, 1024, 1025, 5003})
    for (index_t const queries : {1, 3}) {
      compare_forward<TestType>(causal, {1, 4, 2, queries, keys, 32, 16, layout::length_first, layout::padded},
                                numbers::normal, 1, cpu_decode);
      compare_forward<TestType>(full, {2, 2, 1, queries, keys, 8, 3}, numbers::normal, 1, cpu_decode);
    }
}

TEMPLATE_TEST_CASE("cpu backward agrees with the reference at every size and layout", "[parity][cpu]", float, double) {
  for_each_shape<TestType>([](shape const& s) {
    compare_backward<TestType>(full, s, numbers::normal, 1, cpu_backward);
    compare_backward<TestType>(causal, s, numbers::normal, 1, cpu_backward_in_small_cuts);
  });
}

TEMPLATE_TEST_CASE("rows too long for a query tile agree with the reference", "[parity][cpu]", float, double) {
  shape const s{1, 2, 1, 37, 20011, 8, 8, layout::length_first, layout::length_first};
  compare_forward<TestType>(full, s, numbers::normal, 1, cpu_forward);
  compare_forward<TestType>(causal, s, numbers::normal, 1, cpu_forward);
}

}  // namespace basin_test
