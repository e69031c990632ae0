// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Counts the memory that a program takes. For one unit of a program: it replaces operator new and delete, or, where a
// sanitizer owns the allocator, asks the sanitizer to tell. Where it replaces them, it can also refuse memory.

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace basin_test {

inline std::atomic<long> memory_in_use{0}, memory_peak{0};
inline std::atomic<long> allocations_granted{-1};              // how many more succeed; below 0: all

inline void memory_taken(std::size_t size) {
  long const now = memory_in_use += static_cast<long>(size);
  for (long most = memory_peak; now > most && !memory_peak.compare_exchange_weak(most, now);) {}
}

}  // namespace basin_test

#if defined(__has_feature)
#define BASIN_TEST_HAS(feature) __has_feature(feature)
#else
#define BASIN_TEST_HAS(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || BASIN_TEST_HAS(address_sanitizer) || \
    BASIN_TEST_HAS(thread_sanitizer)

// Declared here because the header that declares them comes with clang only.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(void const volatile*, std::size_t),
                                                         void (*)(void const volatile*));
extern "C" std::size_t __sanitizer_get_allocated_size(void const volatile*);

namespace basin_test {

inline constexpr bool can_refuse_memory = false;

inline int const memory_hooks = __sanitizer_install_malloc_and_free_hooks(
    [](void const volatile*, std::size_t size) { memory_taken(size); },
    [](void const volatile* p) { memory_in_use -= static_cast<long>(__sanitizer_get_allocated_size(p)); });

}  // namespace basin_test

#else

namespace basin_test {

inline constexpr bool can_refuse_memory = true;

/// Memory with its size in front, so that giving it back can be counted.
inline void* counted(std::size_t size, std::size_t alignment) {
  if (allocations_granted >= 0 && allocations_granted-- == 0) {
    allocations_granted = 0;                                     // nor does any after it
    throw std::bad_alloc{};
  }
  std::size_t const front = alignment < 16 ? 16 : alignment;
  auto* const raw = static_cast<std::byte*>(std::aligned_alloc(front, (size + 2 * front - 1) / front * front));
  if (raw == nullptr) throw std::bad_alloc{};
  *reinterpret_cast<std::size_t*>(raw) = size;
  memory_taken(size);
  return raw + front;
}

inline void give_back(void* p, std::size_t alignment) {
  if (p == nullptr) return;
  auto* const raw = static_cast<std::byte*>(p) - (alignment < 16 ? 16 : alignment);
  memory_in_use -= static_cast<long>(*reinterpret_cast<std::size_t*>(raw));
  std::free(raw);
}

}  // namespace basin_test

// The array forms and the forms that do not throw call these.
void* operator new(std::size_t size) { return basin_test::counted(size, 16); }
void* operator new(std::size_t size, std::align_val_t at) {
  return basin_test::counted(size, static_cast<std::size_t>(at));
}
void operator delete(void* p) noexcept { basin_test::give_back(p, 16); }
void operator delete(void* p, std::size_t) noexcept { basin_test::give_back(p, 16); }
void operator delete(void* p, std::align_val_t at) noexcept { basin_test::give_back(p, static_cast<std::size_t>(at)); }
void operator delete(void* p, std::size_t, std::align_val_t at) noexcept {
  basin_test::give_back(p, static_cast<std::size_t>(at));
}

#endif
