// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Memory of the host that a kernel reads and writes at the same address: what policies point to, and what observers write, is then one
// value for an engine on a GPU and for the reference.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <new>
#include <vector>

namespace basin_test {

template <class T>
struct pinned_allocator {
  using value_type = T;

  pinned_allocator() = default;
  template <class U>
  pinned_allocator(pinned_allocator<U> const&) {}

  T* allocate(std::size_t count) const {
    void* memory = nullptr;
    if (cudaMallocHost(&memory, count * sizeof(T)) != cudaSuccess) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) const { cudaFreeHost(memory); }

  friend bool operator==(pinned_allocator const&, pinned_allocator const&) { return true; }
};

template <class T>
using pinned = std::vector<T, pinned_allocator<T>>;

}  // namespace basin_test
