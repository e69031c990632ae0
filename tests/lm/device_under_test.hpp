// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The device of transformer_on_a_device.test.cpp: the host, where layers and attention are the GPU's kernels, one fiber
// a thread. tests/gpu/ has the same for a GPU.

#include <algorithm>
#include <memory_resource>
#include <span>
#include <vector>

#include "device/host_engine.hpp"
#include "support/host_grids.hpp"

namespace basin::lm {

template <class Device>
struct device_normalizer;

}  // namespace basin::lm

namespace basin_test {

struct device_under_test : host_grids {
  template <class T>
  using memory = std::vector<T>;
  template <int Rank>
  using in = basin::view<float const, Rank>;
  template <int Rank>
  using out = basin::view<float, Rank>;

  template <class T>
  void put(std::span<T const> from, T* to) {
    std::ranges::copy(from, to);
  }
  template <class T>
  void get(T const* from, std::span<T> to) {
    std::copy_n(from, to.size(), to.begin());
  }
  static std::pmr::memory_resource* shared_memory() { return std::pmr::new_delete_resource(); }
  static std::span<basin::lm::device_normalizer<device_under_test> const> normalizers();

  template <class Attention>
  void forward(Attention const& use, in<4> q, in<4> k, in<4> v, out<4> o) {
    host_forward<small_blocks, 32>(use, q, k, v, o);
  }
  template <class Attention>
  void backward(Attention const& use, in<4> q, in<4> k, in<4> v, in<4> dout, out<4> dq, out<4> dk, out<4> dv) {
    host_backward<small_blocks, 32>(use, q, k, v, dout, dq, dk, dv);
  }
  template <class Attention>
  void decode(Attention const& use, in<4> q, in<4> k, in<4> v, out<4> o) {
    forward(use, q, k, v, o);
  }
};

}  // namespace basin_test
