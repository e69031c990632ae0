// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Pinned host memory, which a kernel reads and writes at the same address. So what policies point to, and what
// observers write, has one address for an engine on a GPU and for the reference.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <new>
#include <vector>

namespace basin_test {

/// Freed memory, by size, kept for reuse: pinning memory takes longer than a test.
inline std::map<std::size_t, std::vector<void*>>& pinned_memory_to_spare() {
  static std::map<std::size_t, std::vector<void*>> spare;
  return spare;
}

template <class T>
struct pinned_allocator {
  using value_type = T;

  pinned_allocator() = default;
  template <class U>
  pinned_allocator(pinned_allocator<U> const&) {}

  T* allocate(std::size_t count) const {
    auto& spare = pinned_memory_to_spare()[count * sizeof(T)];
    void* memory = nullptr;
    if (!spare.empty()) {
      memory = spare.back();
      spare.pop_back();
    } else if (cudaMallocHost(&memory, count * sizeof(T)) != cudaSuccess) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) const { pinned_memory_to_spare()[count * sizeof(T)].push_back(memory); }

  friend bool operator==(pinned_allocator const&, pinned_allocator const&) { return true; }
};

template <class T>
using pinned = std::vector<T, pinned_allocator<T>>;

}  // namespace basin_test
