// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp, cpu/backward.hpp, cpu/decode.hpp: the matrix of scores is never in memory.
#include <omp.h>

#include "basin/mask/sliding_window.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/prune/window_with_sinks.hpp"
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

TEST_CASE("backward needs memory for the keys that its queries see", "[parity][cpu]") {
  int const before = omp_get_max_threads();
  omp_set_num_threads(2);
  auto const mib = [](auto const& use, index_t length, index_t heads = 1) {
    call<float> c({1, heads, heads, length, length, 16, 16});
    return static_cast<double>(memory_of([&] { cpu_backward(use, c); })) / (1 << 20);
  };
  auto const window = basin::attention<>{}.with(basin::sliding_window{127});
  auto const sinks = basin::attention<>{}.with(basin::causal{}).with(basin::window_with_sinks{4, 128});
  CHECK(mib(window, 20000) < 4);   // for all keys: 15 MiB
  CHECK(mib(window, 100000) < 4);  // 72 MiB
  CHECK(mib(window, 20000, 3) < 4);
  CHECK(mib(sinks, 40000) < 4);
  omp_set_num_threads(before);
}

/// Runs a call again and again, with one allocation more that succeeds, until all do: each time it throws
/// std::bad_alloc and leaves no memory behind.
template <class Run>
void require_bad_alloc(char const* name, Run const& run) {
  if (!can_refuse_memory) return;
  run();  // OpenMP takes its own at the first call
  for (long granted = 0, done = 0; done == 0; ++granted) {
    long const held = memory_in_use;
    bool refused = false;
    allocations_granted = granted;
    try {
      run();
    } catch (std::bad_alloc const&) {
      refused = true;
    }
    allocations_granted = -1;
    long const left = memory_in_use - held;
    CAPTURE(name, granted);
    REQUIRE(left == 0);
    REQUIRE(granted < 1000);
    done = refused ? 0 : 1;
    if (done != 0) CHECK(granted > 0);
  }
}

TEST_CASE("a call whose memory is refused throws bad_alloc, whichever part it is", "[parity][cpu]") {
  int const before = omp_get_max_threads();
  omp_set_num_threads(3);
  call<float> c({1, 2, 1, 60, 3000, 8, 8}), step({1, 2, 1, 1, 3000, 8, 8});
  reports seen(c.s), seen_of_step(step.s);
  std::vector<double> copies(2 * 60 * 3000), scores(copies), visible(2 * 60);
  row_copies const whole{basin::contiguous(copies.data(), 1, 2, 60, 3000),
                         basin::contiguous(scores.data(), 1, 2, 60, 3000), basin::contiguous(visible.data(), 1, 2, 60)};
  row_copies const whole_of_step{basin::contiguous(copies.data(), 1, 2, 1, 3000),
                                 basin::contiguous(scores.data(), 1, 2, 1, 3000),
                                 basin::contiguous(visible.data(), 1, 2, 1)};
  auto const use = basin::attention<>{};
  auto const window = use.with(basin::sliding_window{255});
  require_bad_alloc("forward", [&] { cpu_forward(use, c); });
  require_bad_alloc("forward, observed", [&] { cpu_forward(use.with(basin::together(seen.watch_all(), whole)), c); });
  require_bad_alloc("forward, top_k", [&] { cpu_forward(use.with(basin::top_k{8}), c); });
  require_bad_alloc("forward, whole rows", [&] { cpu_forward(use.with(one_plus_square{}), c); });
  require_bad_alloc("backward", [&] { cpu_backward(use.with(seen.watch_all()), c); });
  require_bad_alloc("backward, whole rows", [&] { cpu_backward(window.with(one_plus_square{}), c); });
  require_bad_alloc("decode", [&] { cpu_decode(use, step); });
  require_bad_alloc("decode, observed",
                    [&] { cpu_decode(use.with(basin::together(seen_of_step.watch_all(), whole_of_step)), step); });
  require_bad_alloc("decode, whole rows", [&] { cpu_decode(use.with(one_plus_square{}), step); });
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
