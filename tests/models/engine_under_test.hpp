// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The engine of device_engine.test.cpp: its device is the host, where layers and attention are the GPU's bodies, one
// fiber a thread. tests/gpu/ has the same for a GPU.

#include <algorithm>
#include <memory_resource>
#include <span>
#include <vector>

#include "basin/lm/devices/detail/device_engine_calls.hpp"
#include "device/host_engine.hpp"
#include "support/host_grids.hpp"

namespace basin_test {

struct host_side : host_grids {
  template <class T>
  using memory = std::vector<T>;

  template <class T>
  void put(std::span<T const> from, T* to) {
    std::ranges::copy(from, to);
  }
  template <class T>
  void get(T const* from, std::span<T> to) {
    std::copy_n(from, to.size(), to.begin());
  }
  static std::pmr::memory_resource* shared_memory() { return std::pmr::new_delete_resource(); }

  template <class Attention>
  void forward(Attention const& use, basin::view<float const, 4> q, basin::view<float const, 4> k,
               basin::view<float const, 4> v, basin::view<float, 4> out) {
    host_forward<small_blocks, 32>(use, q, k, v, out);
  }
  template <class Attention>
  void backward(Attention const& use, basin::view<float const, 4> q, basin::view<float const, 4> k,
                basin::view<float const, 4> v, basin::view<float const, 4> dout, basin::view<float, 4> dq,
                basin::view<float, 4> dk, basin::view<float, 4> dv) {
    host_backward<small_blocks, 32>(use, q, k, v, dout, dq, dk, dv);
  }
};

using engine_under_test = basin::lm::device_engine<host_side>;

}  // namespace basin_test
