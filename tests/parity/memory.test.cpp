// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp, cpu/backward.hpp, cpu/decode.hpp: the matrix of scores is never in memory.
#include <omp.h>

#include "parity/compare.hpp"
#include "parity/counted_memory.hpp"

namespace basin_test {

namespace {

/// What run() had in use at once, beyond what was there before it.
template <class F>
std::size_t memory_of(F&& run) {
  long const before = memory_in_use;
  memory_peak = before;
  run();
  return static_cast<std::size_t>(memory_peak - before);
}

}  // namespace

TEST_CASE("16384 queries against 16384 keys need a small part of the matrix of their scores", "[parity][cpu]") {
  int const before = omp_get_max_threads();
  omp_set_num_threads(2);                                        // work space is for every thread
  shape const s{1, 1, 1, 16384, 16384, 8, 8};
  std::size_t const matrix = 16384u * 16384u * sizeof(float);    // 1 GiB
  call<float> c(s);
  reports seen(s);
  auto const use = basin::attention<>{}.with(basin::causal{});
  char const* volatile seen_by = nullptr;                        // else the compiler may leave the memory out
  std::size_t const probe = memory_of([&] {
    std::vector<char> const some(12345);
    seen_by = some.data();
  });
  CHECK(probe >= 12345);                                         // the counter counts
  CHECK(memory_of([&] { cpu_forward(use, c); }) < matrix / 64);
  CHECK(memory_of([&] { cpu_forward(use.with(seen.watch_all()), c); }) < matrix / 64);
  CHECK(memory_of([&] { cpu_backward(use, c); }) < matrix / 16);
  omp_set_num_threads(before);
}

TEST_CASE("a step of decoding needs memory for its splits alone", "[parity][cpu]") {
  shape const s{1, 4, 1, 1, 100000, 8, 8};
  call<float> c(s);
  int const before = omp_get_max_threads();
  omp_set_num_threads(2);
  CHECK(memory_of([&] { cpu_decode(basin::attention<>{}, c); }) < 4u * 100000u * sizeof(float));
  omp_set_num_threads(before);
}

TEST_CASE("a call gives back all memory that it took, also when it throws", "[parity][cpu]") {
  shape const s{1, 2, 1, 40, 50, 8, 8};
  call<float> c(s);
  auto const use = basin::attention<>{};
  cpu_forward(use, c), cpu_backward(use, c), cpu_decode(use, c);  // OpenMP takes its own at the first call
  long const held = memory_in_use;
  cpu_forward(use, c), cpu_backward(use, c), cpu_decode(use, c);
  try {
    cpu_forward(use.with(basin::softmax{-1.0}), c);
  } catch (basin::value_error const&) {
  }
  CHECK(memory_in_use == held);
}

}  // namespace basin_test
