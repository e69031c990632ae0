// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <memory_resource>
#include <type_traits>
#include <vector>

namespace basin::lm {

/// std::pmr::polymorphic_allocator whose copies of a container stay in the memory of the first.
template <class T>
struct shared_allocator {
  using value_type = T;
  using propagate_on_container_copy_assignment = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;

  std::pmr::memory_resource* from;

  shared_allocator(std::pmr::memory_resource* memory = std::pmr::new_delete_resource()) : from(memory) {}
  template <class U>
  shared_allocator(shared_allocator<U> const& other) : from(other.from) {}

  T* allocate(std::size_t n) { return static_cast<T*>(from->allocate(n * sizeof(T), alignof(T))); }
  void deallocate(T* memory, std::size_t n) { from->deallocate(memory, n * sizeof(T), alignof(T)); }
  friend bool operator==(shared_allocator const& a, shared_allocator const& b) { return a.from == b.from; }
};

/// A vector that policies may point into: it lies in the shared_memory() of a device.
template <class T>
using shared_vector = std::vector<T, shared_allocator<T>>;

}  // namespace basin::lm
