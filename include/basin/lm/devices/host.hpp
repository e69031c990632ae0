// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <memory_resource>
#include <span>

#include "basin/cpu/backward.hpp"
#include "basin/cpu/decode.hpp"
#include "basin/cpu/forward.hpp"
#include "basin/lm/devices/host_storage.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

namespace basin::lm {

/// The host as the device of a model: the operations of nn/, and the attention of cpu/.
///
/// Models    what a model needs of a device. On any other device it is nn::device and memory<T>, a vector of its memory
///           whose new elements are zeros; put(from, to) and get(from, to), to and from the host, where get() waits;
///           shared_memory(), which the host and the device both read and write; forward(), backward() and decode() of
///           an attention; for models by name, normalizers(), those that it has kernels for
///           (policies/normalizers_on_device.hpp). One is devices/cuda_device.hpp; tests have another, which runs
///           kernels on the host
class host : public nn::host {
 public:
  template <class T>
  using memory = host_storage<T>;

  template <class T>
  void put(std::span<T const> from, T* to) {
    std::ranges::copy(from, to);
  }
  template <class T>
  void get(T const* from, std::span<T> to) {
    std::copy_n(from, to.size(), to.begin());
  }
  double read(double const* number) const { return *number; }
  static std::pmr::memory_resource* shared_memory() { return std::pmr::new_delete_resource(); }

  template <class Attention, class T>
  void forward(Attention const& use, nn::const_view<T, 4> q, nn::const_view<T, 4> k, nn::const_view<T, 4> v,
               view<T, 4> out) {
    cpu::forward(use, q, k, v, out);
  }
  template <class Attention, class T>
  void backward(Attention const& use, nn::const_view<T, 4> q, nn::const_view<T, 4> k, nn::const_view<T, 4> v,
                nn::const_view<T, 4> dout, view<T, 4> dq, view<T, 4> dk, view<T, 4> dv) {
    cpu::backward(use, q, k, v, dout, dq, dk, dv);
  }
  /// forward() for the last few queries of a sequence.
  template <class Attention, class T>
  void decode(Attention const& use, nn::const_view<T, 4> q, nn::const_view<T, 4> k, nn::const_view<T, 4> v,
              view<T, 4> out) {
    cpu::decode(use, q, k, v, out);
  }
};

/// Whether the host reads and writes the memory of a device where it lies.
template <class Device>
inline constexpr bool is_host = std::is_base_of_v<nn::host, Device>;

}  // namespace basin::lm
