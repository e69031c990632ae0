// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The side of the device: copies a call there, runs it, copies it back, or times it. BASIN_POLICY is the number of its policy.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "basin/basin.cuh"
#include "gpu/policies.hpp"

namespace basin_test {

namespace {

using basin::index;

void require(char const* what, cudaError_t status) { basin::gpu::detail::require("tests/gpu", what, status); }

/// Memory of the device, filled from the host's or with bytes that are a NaN.
template <class T>
struct on_device {
  T* memory = nullptr;
  std::size_t count;

  explicit on_device(std::size_t n) : count(n) {
    require("cudaMalloc", cudaMalloc(&memory, count * sizeof(T)));
    require("cudaMemset", cudaMemset(memory, 0xff, count * sizeof(T)));
  }
  on_device(T const* from, std::size_t n) : on_device(n) { require("cudaMemcpy", cudaMemcpy(memory, from, n * sizeof(T), cudaMemcpyHostToDevice)); }
  on_device(on_device const&) = delete;
  ~on_device() { cudaFree(memory); }
  void copy_to(T* to) const { require("cudaMemcpy", cudaMemcpy(to, memory, count * sizeof(T), cudaMemcpyDeviceToHost)); }
  template <class View = T>
  basin::view<View, 4> view(index b, index h, index l, index d) const {
    return basin::contiguous(static_cast<View*>(memory), b, h, l, d);
  }
};

/// Kernels of two dims: compiled sooner.
struct two_dims : basin::gpu::default_tuning {
  static constexpr int dims[] = {64, 128};
};
struct two_dims_backward : basin::gpu::default_backward_tuning {
  static constexpr int dims[] = {64, 128};
};

/// A call on the device.
template <class E>
struct device_call {
  basin::problem p;
  on_device<E> q, k, v, dout;
  on_device<float> out, dq, dk, dv;
  on_device<double> received, nats, heaviest, received_again;

  device_call(basin::problem const& of, E const* q_of, E const* k_of, E const* v_of, E const* dout_of)
      : p(of),
        q(q_of, size(p.heads, p.queries, p.dim)),
        k(k_of, size(p.kv_heads, p.keys, p.dim)),
        v(v_of, size(p.kv_heads, p.keys, p.value_dim)),
        dout(dout_of, size(p.heads, p.queries, p.value_dim)),
        out(dout.count),
        dq(q.count),
        dk(k.count),
        dv(v.count),
        received(size(p.heads, p.keys, 1)),
        nats(size(p.heads, p.queries, 1)),
        heaviest(nats.count),
        received_again(received.count) {}
  std::size_t size(index heads, index length, index dim) const { return static_cast<std::size_t>(p.batch * heads * length * dim); }

  auto watch_keys(on_device<double> const& to) const { return basin::received_attention{basin::contiguous(to.memory, p.batch, p.heads, p.keys)}; }
  auto watch_rows() const {
    return basin::together(basin::entropy{basin::contiguous(nats.memory, p.batch, p.heads, p.queries)},
                           basin::max_weight{basin::contiguous(heaviest.memory, p.batch, p.heads, p.queries)});
  }
  template <class Attention>
  void forward(Attention const& use, std::span<std::byte> room) const {
    basin::forward<two_dims>(use, q.template view<E const>(p.batch, p.heads, p.queries, p.dim), k.template view<E const>(p.batch, p.kv_heads, p.keys, p.dim),
                   v.template view<E const>(p.batch, p.kv_heads, p.keys, p.value_dim), out.view(p.batch, p.heads, p.queries, p.value_dim), nullptr, room);
  }
  template <class Attention>
  void backward(Attention const& use, std::span<std::byte> room) const {
    basin::backward<two_dims_backward>(use, q.template view<E const>(p.batch, p.heads, p.queries, p.dim), k.template view<E const>(p.batch, p.kv_heads, p.keys, p.dim),
                    v.template view<E const>(p.batch, p.kv_heads, p.keys, p.value_dim), dout.template view<E const>(p.batch, p.heads, p.queries, p.value_dim),
                    dq.view(p.batch, p.heads, p.queries, p.dim), dk.view(p.batch, p.kv_heads, p.keys, p.dim), dv.view(p.batch, p.kv_heads, p.keys, p.value_dim), nullptr,
                    room);
  }
};

struct room_for {
  on_device<std::byte> memory;
  template <class Attention>
  room_for(Attention const& use, basin::problem const& p) : memory(std::max<std::size_t>({16, basin::forward_workspace(use, p), basin::backward_workspace(use, p)})) {}
  std::span<std::byte> span() const { return {memory.memory, memory.count}; }
};

/// The median time of `run`, warmed up.
template <class F>
double median_ms(int repeats, F const& run) {
  cudaEvent_t start, stop;
  require("cudaEventCreate", cudaEventCreate(&start));
  require("cudaEventCreate", cudaEventCreate(&stop));
  std::vector<float> times(static_cast<std::size_t>(repeats));
  for (int n = -3; n < repeats; ++n) {
    require("cudaEventRecord", cudaEventRecord(start));
    run();
    require("cudaEventRecord", cudaEventRecord(stop));
    require("cudaEventSynchronize", cudaEventSynchronize(stop));
    if (n >= 0) require("cudaEventElapsedTime", cudaEventElapsedTime(&times[static_cast<std::size_t>(n)], start, stop));
  }
  cudaEventDestroy(start), cudaEventDestroy(stop);
  std::ranges::sort(times);
  return static_cast<double>(times[times.size() / 2]);
}

}  // namespace

template <int N, class E>
void run_on_device(host_call<E> const& c) {
  auto const use = std::get<N>(device_policies()).use;
  device_call<E> const d(c.p, c.q, c.k, c.v, c.dout);
  auto const watched = use.with(basin::together(d.watch_keys(d.received), d.watch_rows()));
  room_for const room(watched, c.p);
  d.forward(watched, room.span());
  d.backward(use.with(d.watch_keys(d.received_again)), room.span());
  require("cudaDeviceSynchronize", cudaDeviceSynchronize());
  d.out.copy_to(c.out), d.dq.copy_to(c.dq), d.dk.copy_to(c.dk), d.dv.copy_to(c.dv);
  d.received.copy_to(c.received), d.nats.copy_to(c.nats), d.heaviest.copy_to(c.heaviest), d.received_again.copy_to(c.received_again);
}

template <int N>
timed time_on_device(basin::problem const& p, int repeats) {
  using E = basin::bfloat16;
  auto const use = std::get<N>(device_policies()).use;
  auto const drawn = [](index count) {                           // no zeros: they are faster than numbers
    std::vector<E> numbers(static_cast<std::size_t>(count));
    std::uint32_t state = 1;
    for (E& x : numbers) x = E(static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f);
    return numbers;
  };
  auto const q = drawn(p.batch * p.heads * p.queries * p.dim), k = drawn(p.batch * p.kv_heads * p.keys * p.dim), v = drawn(p.batch * p.kv_heads * p.keys * p.value_dim);
  device_call<E> const d(p, q.data(), k.data(), v.data(), q.data());
  auto const with_received = use.with(d.watch_keys(d.received));
  auto const with_entropy = use.with(d.watch_rows());
  room_for const room(with_received, p);
  return {median_ms(repeats, [&] { d.forward(use, room.span()); }), median_ms(repeats, [&] { d.backward(use, room.span()); }),
          median_ms(repeats, [&] { d.forward(with_received, room.span()); }), median_ms(repeats, [&] { d.forward(with_entropy, room.span()); }), median_ms(repeats, [&] { d.backward(with_received, room.span()); })};
}

template void run_on_device<BASIN_POLICY>(host_call<basin::bfloat16> const&);
template void run_on_device<BASIN_POLICY>(host_call<basin::float16> const&);
template void run_on_device<BASIN_POLICY>(host_call<float> const&);
template timed time_on_device<BASIN_POLICY>(basin::problem const&, int);

}  // namespace basin_test
