// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The device's side of host_call.hpp.

#include <algorithm>
#include <type_traits>

#include "basin/basin.cuh"
#include "gpu/host_call.hpp"

namespace basin_test {

inline void require(char const* what, cudaError_t status) {
  basin::gpu::detail::require("tests/gpu", what, status);
}

/// Device memory, filled from host memory, or with bytes that form NaNs.
template <class T>
struct device_memory {
  using value_type = std::remove_const_t<T>;
  value_type* memory = nullptr;
  std::size_t count;

  explicit device_memory(std::size_t n) : count(n) {
    require("cudaMalloc", cudaMalloc(&memory, std::max<std::size_t>(1, count) * sizeof(T)));
    require("cudaMemset", cudaMemset(memory, 0xff, count * sizeof(T)));
  }
  device_memory(T const* from, std::size_t n) : device_memory(n) { copy_from(from); }
  device_memory(device_memory const&) = delete;
  device_memory& operator=(device_memory const&) = delete;
  ~device_memory() { cudaFree(memory); }

  void copy_from(T const* from) {
    require("cudaMemcpy", cudaMemcpy(memory, from, count * sizeof(T), cudaMemcpyHostToDevice));
  }
  void copy_to(value_type* to) const {
    require("cudaMemcpy", cudaMemcpy(to, memory, count * sizeof(T), cudaMemcpyDeviceToHost));
  }
};

template <class T>
struct device_tensor {
  host_tensor<T> like;
  device_memory<T> on;

  explicit device_tensor(host_tensor<T> const& from) : like(from), on(from.memory, from.count) {}
  basin::view<T, 4> view() const { return basin::strided(on.memory + like.first, like.extents, like.strides); }
  basin::view<T const, 4> read() const {
    return basin::strided<T const, 4>(on.memory + like.first, like.extents, like.strides);
  }
  void fetch() const { on.copy_to(like.memory); }
};

struct workspace {
  device_memory<std::byte> on;

  explicit workspace(std::size_t bytes) : on(bytes) {}
  std::span<std::byte> span() const { return {on.memory, on.count}; }
};

template <class E>
basin::problem problem_of(host_tensor<E> const& q, host_tensor<E> const& k, host_tensor<E> const& v) {
  return {q.extents[0], q.extents[1], k.extents[1], q.extents[2], k.extents[2], q.extents[3], v.extents[3]};
}

/// Kernels of a few dims, which compile faster.
template <int... Dims>
struct forward_of_dims : basin::gpu::default_tuning {
  static constexpr int dims[] = {Dims...};
};
template <int... Dims>
struct backward_of_dims : basin::gpu::default_backward_tuning {
  static constexpr int dims[] = {Dims...};
};

template <class Selector, class Attention, class E, class Out>
void run_forward(Attention const& use, host_call<E, Out> const& c) {
  device_tensor<E> const q(c.q), k(c.k), v(c.v);
  device_tensor<Out> const out(c.out);
  workspace const space(basin::forward_workspace(use, problem_of(c.q, c.k, c.v)));
  basin::forward<Selector>(use, q.read(), k.read(), v.read(), out.view(), nullptr, space.span());
  require("cudaDeviceSynchronize", cudaDeviceSynchronize());
  out.fetch();
}

template <class Selector, class Attention, class E, class Out>
void run_backward(Attention const& use, host_call<E, Out> const& c) {
  device_tensor<E> const q(c.q), k(c.k), v(c.v), dout(c.dout);
  device_tensor<Out> const dq(c.dq), dk(c.dk), dv(c.dv);
  workspace const space(basin::backward_workspace(use, problem_of(c.q, c.k, c.v)));
  basin::backward<Selector>(use, q.read(), k.read(), v.read(), dout.read(), dq.view(), dk.view(), dv.view(), nullptr,
                            space.span());
  require("cudaDeviceSynchronize", cudaDeviceSynchronize());
  dq.fetch(), dk.fetch(), dv.fetch();
}

template <class Forward, class Backward, class Attention, class E>
void run_training(Attention const& use, host_call<E, E> const& c) {
  device_tensor<E> const q(c.q), k(c.k), v(c.v), dout(c.dout), out(c.out), dq(c.dq), dk(c.dk), dv(c.dv);
  auto const p = problem_of(c.q, c.k, c.v);
  workspace const space(basin::backward_workspace(use, p)), saved(basin::saved_rows_bytes(use, p));
  basin::forward<Forward>(use, q.read(), k.read(), v.read(), out.view(), nullptr, {}, saved.span());
  basin::backward<Backward>(use, q.read(), k.read(), v.read(), out.read(), dout.read(), dq.view(), dk.view(), dv.view(),
                            nullptr, space.span(), saved.span());
  require("cudaDeviceSynchronize", cudaDeviceSynchronize());
  for (auto const* of : {&out, &dq, &dk, &dv}) of->fetch();
}

template <class Selector, class Attention, class E, class Out>
void run_decode(Attention const& use, host_call<E, Out> const& c) {
  device_tensor<E> const q(c.q), k(c.k), v(c.v);
  device_tensor<Out> const out(c.out);
  workspace const space(basin::decode_workspace(use, problem_of(c.q, c.k, c.v)));
  basin::decode<Selector>(use, q.read(), k.read(), v.read(), out.view(), nullptr, space.span());
  require("cudaDeviceSynchronize", cudaDeviceSynchronize());
  out.fetch();
}

template <class Selector, class Attention, class E, class Out>
void run_decode(Attention const& use, host_tensor<E> const& q_of, host_pages<E> const& pages,
                host_tensor<Out> const& out_of) {
  device_tensor<E> const q(q_of), keys(pages.keys), values(pages.values);
  device_tensor<Out> const out(out_of);
  device_memory<std::int32_t> const table(pages.table.data(), pages.table.size());
  device_memory<std::int32_t> const lengths(pages.lengths.data(), pages.lengths.size());
  auto const batch = static_cast<index_t>(pages.lengths.size());
  auto const places = static_cast<index_t>(pages.table.size()) / batch;
  auto const paged = [&](device_tensor<E> const& pool) {
    return basin::paged_view<E const>{pool.read(), basin::contiguous<std::int32_t const>(table.memory, batch, places),
                                      basin::contiguous<std::int32_t const>(lengths.memory, batch)};
  };
  basin::problem p = problem_of(q_of, pages.keys, pages.values);
  p.keys = places * pages.keys.extents[2];
  workspace const space(basin::decode_workspace(use, p));
  basin::decode<Selector>(use, q.read(), paged(keys), paged(values), out.view(), nullptr, space.span());
  require("cudaDeviceSynchronize", cudaDeviceSynchronize());
  out.fetch();
}

}  // namespace basin_test
