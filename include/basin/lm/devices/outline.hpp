// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <memory_resource>
#include <span>

namespace basin::lm {

/// A device without memory: a model on it has the names and shapes of its tensors, and takes no memory for them. So a
/// file can be checked before a model of its size is made.
class outline {
 public:
  template <class T>
  class memory {
   public:
    using value_type = T;

    memory() = default;
    explicit memory(std::size_t) {}
    T* data() { return nullptr; }
    T const* data() const { return nullptr; }
    std::size_t size() const { return 0; }
    void resize(std::size_t) {}
  };
  static std::pmr::memory_resource* shared_memory() { return std::pmr::new_delete_resource(); }
};

/// Whether tensors of a device have numbers.
template <class Device>
inline constexpr bool has_memory = !std::is_same_v<Device, outline>;

}  // namespace basin::lm
