// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Prints the units that tests/gpu.sh compiles, a line for each: a source, and the number of its case or '-'. The
// slowest come first.

#include <cstdio>
#include <type_traits>

#include "cuda/library.hpp"
#include "gpu/policies.hpp"

namespace {

using namespace basin_test;

/// Whether a normalizer can run on a device and no earlier entry has its type: each type is compiled once, whatever its
/// numbers.
template <int N>
constexpr bool is_a_unit() {
  return []<int... Before>(std::integer_sequence<int, Before...>) {
    return !basin::fits_rows<normalizer_at<N>> && !(std::is_same_v<normalizer_at<Before>, normalizer_at<N>> || ...);
  }(std::make_integer_sequence<int, N>{});
}

void print_unit(char const* source, int number) { std::printf("%s %d\n", source, number); }
void print_unit(char const* source) { std::printf("%s -\n", source); }

}  // namespace

int main() {
  constexpr int fp32 = storage_count - 1;
  for (int n : {3, 1, 2, 0}) print_unit("tests/gpu/masks.cu", n);  // two normalizers, both passes
  for (int n = shape_policy_count - 1; n >= 0; --n) print_unit("tests/gpu/shapes.cu", storage_count * n + fp32);
  for (int n = 0; n < shape_policy_count * storage_count; ++n)
    if (n % storage_count != fp32) print_unit("tests/gpu/shapes.cu", n);
  for_each_number<normalizer_count>([](auto n) {
    if constexpr (is_a_unit<n>()) print_unit("tests/gpu/normalizers.cu", n);
  });
  for (int n = 0; n < decode_policy_count * storage_count; ++n) print_unit("tests/gpu/decode.cu", n);
  for (int n = 0; n < basin_cuda_policies; ++n) print_unit("bench/cuda/calls.cu", n);
  for (char const* source :
       {"tests/gpu/graph.cu", "tests/gpu/normalizers.test.cpp", "tests/gpu/masks.test.cpp", "tests/gpu/shapes.test.cpp",
        "tests/gpu/decode.test.cpp", "tests/gpu/graph.test.cpp", "tests/support/main.cpp", "bench/cuda/library.cpp",
        "bench/cuda/figures.cpp"})
    print_unit(source);
}
