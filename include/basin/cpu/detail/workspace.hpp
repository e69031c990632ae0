// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <new>
#include <vector>

#include "basin/core/threads.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

/// n rounded up to whole vectors.
template <class T>
constexpr index_t whole_vectors(index_t n) {
  return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

/// The number of threads of a parallel region here: one if the caller's own parallel regions exhaust the allowed
/// levels.
inline int threads_here() { return threads::here(); }

/// Cache-line aligned memory of one thread, divided into pieces; allocated once, before any work starts.
class workspace {
 public:
  template <class T>
  T* take(index_t count) {
    used = (used + 63) / 64 * 64;
    T* const piece = base == nullptr ? nullptr : reinterpret_cast<T*>(base + used);
    used += count * static_cast<index_t>(sizeof(T));
    return piece;
  }
  /// Restarts at the beginning of `memory`; with nullptr, take() only counts.
  explicit workspace(std::byte* memory) : base(memory) {}
  index_t size() const { return used; }

 private:
  std::byte* base;
  index_t used = 0;
};

/// One block of memory per thread, each of the size that `layout(workspace&)` requests.
class workspaces {
 public:
  template <class Layout>
  explicit workspaces(Layout&& layout) {
    workspace count(nullptr);
    layout(count);
    bytes = (count.size() + 127) / 64 * 64;
    memory = static_cast<std::byte*>(::operator new(
        static_cast<std::size_t>(bytes) * static_cast<std::size_t>(threads_here()), std::align_val_t(64)));
  }
  workspaces(workspaces const&) = delete;
  workspaces& operator=(workspaces const&) = delete;
  ~workspaces() { ::operator delete(memory, std::align_val_t(64)); }

  workspace mine() const { return workspace(memory + bytes * threads::mine()); }

 private:
  std::byte* memory = nullptr;
  index_t bytes = 0;
};

}  // namespace basin::cpu::detail
