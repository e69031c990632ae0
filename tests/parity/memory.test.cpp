// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/forward.hpp, cpu/backward.hpp, cpu/decode.hpp: the matrix of scores is never in memory.
#include <omp.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "parity/compare.hpp"

namespace {

std::atomic<std::size_t> in_use{0}, peak{0};

/// Memory with its size in front, so that giving it back can be counted.
void* counted(std::size_t size, std::size_t alignment) {
  std::size_t const front = alignment < 16 ? 16 : alignment;
  auto* const raw = static_cast<std::byte*>(std::aligned_alloc(front, (size + 2 * front - 1) / front * front));
  if (raw == nullptr) throw std::bad_alloc{};
  *reinterpret_cast<std::size_t*>(raw) = size;
  std::size_t const now = in_use += size;
  for (std::size_t most = peak; now > most && !peak.compare_exchange_weak(most, now);) {}
  return raw + front;
}

void give_back(void* p, std::size_t alignment) {
  if (p == nullptr) return;
  auto* const raw = static_cast<std::byte*>(p) - (alignment < 16 ? 16 : alignment);
  in_use -= *reinterpret_cast<std::size_t*>(raw);
  std::free(raw);
}

}  // namespace

// Every form, so that none is left to a sanitizer's own allocator.
void* operator new(std::size_t size) { return counted(size, 16); }
void* operator new[](std::size_t size) { return counted(size, 16); }
void* operator new(std::size_t size, std::nothrow_t const&) noexcept { return counted(size, 16); }
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept { return counted(size, 16); }
void* operator new(std::size_t size, std::align_val_t at) { return counted(size, static_cast<std::size_t>(at)); }
void* operator new[](std::size_t size, std::align_val_t at) { return counted(size, static_cast<std::size_t>(at)); }
void operator delete(void* p) noexcept { give_back(p, 16); }
void operator delete[](void* p) noexcept { give_back(p, 16); }
void operator delete(void* p, std::size_t) noexcept { give_back(p, 16); }
void operator delete[](void* p, std::size_t) noexcept { give_back(p, 16); }
void operator delete(void* p, std::align_val_t at) noexcept { give_back(p, static_cast<std::size_t>(at)); }
void operator delete[](void* p, std::align_val_t at) noexcept { give_back(p, static_cast<std::size_t>(at)); }
void operator delete(void* p, std::size_t, std::align_val_t at) noexcept { give_back(p, static_cast<std::size_t>(at)); }
void operator delete[](void* p, std::size_t, std::align_val_t at) noexcept { give_back(p, static_cast<std::size_t>(at)); }

namespace basin_test {

namespace {

/// What run() had in use at once, beyond what was there before it.
template <class F>
std::size_t memory_of(F&& run) {
  std::size_t const before = in_use;
  peak = before;
  run();
  return peak - before;
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
  std::size_t const probe = memory_of([] { std::vector<char> const some(12345); });
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
  std::size_t const held = in_use;
  cpu_forward(use, c), cpu_backward(use, c), cpu_decode(use, c);
  try {
    cpu_forward(use.with(basin::softmax{-1.0}), c);
  } catch (basin::value_error const&) {
  }
  CHECK(in_use == held);
}

}  // namespace basin_test
