// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The entries for policy BASIN_CASE.

#include "cuda/calls.hpp"

#include <algorithm>

#include "basin/basin.cuh"
#include "cuda/own_normalizer.hpp"

namespace basin_bench {

namespace {

using E = basin::bfloat16;
using basin::view;

template <int Policy>
auto policy() {
  auto const full = basin::attention<>{};
  if constexpr (Policy == basin_cuda_causal) return full.with(basin::causal{});
  else if constexpr (Policy == basin_cuda_top_k) return full.with(basin::top_k{64});
  else if constexpr (Policy == basin_cuda_sparsemax) return full.with(basin::sparsemax{});
  else if constexpr (Policy == basin_cuda_entmax15) return full.with(basin::entmax15{});
  else if constexpr (Policy == basin_cuda_own_normalizer) return full.with(own_normalizer{});
  else return full;
}

/// Kernels of the measured dims only, which compile faster.
struct all_dims : basin::gpu::default_tuning {};
struct one_dim : basin::gpu::default_tuning {
  static constexpr int dims[] = {128};
};
struct one_dim_backward : basin::gpu::default_backward_tuning {
  [[maybe_unused]] static constexpr int dims[] = {128};
};
template <int Policy>
using forward_tuning = std::conditional_t<Policy == basin_cuda_full, all_dims, one_dim>;

template <class T>
view<T, 4> view_of(basin_cuda_tensor const& t) {
  auto const all = [](std::int64_t const (&x)[4]) { return std::array<basin::index_t, 4>{x[0], x[1], x[2], x[3]}; };
  return basin::strided(static_cast<T*>(t.memory), all(t.extents), all(t.strides));
}
basin::problem problem_of(basin_cuda_tensor const& q, basin_cuda_tensor const& k, basin_cuda_tensor const& v) {
  return {q.extents[0], q.extents[1], k.extents[1], q.extents[2], k.extents[2], q.extents[3], v.extents[3]};
}
std::span<std::byte> span_of(basin_cuda_room const& room) {
  return {static_cast<std::byte*>(room.workspace), static_cast<std::size_t>(room.bytes)};
}
std::span<std::byte> saved_of(basin_cuda_room const& room) {
  return {static_cast<std::byte*>(room.saved), static_cast<std::size_t>(room.saved_bytes)};
}
cudaStream_t stream_of(basin_cuda_room const& room) { return static_cast<cudaStream_t>(room.stream); }

/// Calls f(attention with the observers that `watch` names).
template <int Policy, class F>
void watched(std::int32_t watch, basin::problem const& p, basin_cuda_room const& room, F const& f) {
  auto const use = policy<Policy>();
  if (watch == basin_cuda_nobody) return f(use);
  if constexpr (Policy == basin_cuda_full) {
    auto const keys = [&](double* to) { return basin::contiguous(to, p.batch, p.heads, p.keys); };
    auto const rows = [&](double* to) { return basin::contiguous(to, p.batch, p.heads, p.queries); };
    if (watch == basin_cuda_keys) return f(use.with(basin::received_attention{keys(room.received)}));
    if (watch == basin_cuda_rows)
      return f(use.with(basin::together(basin::entropy{rows(room.nats)}, basin::max_weight{rows(room.heaviest)})));
  }
  throw basin::unsupported_error(basin::message("basin_cuda: policy ", Policy, " was not compiled with observers ",
                                                watch, "; full softmax was"));
}

}  // namespace

template <int Policy>
void calls_of<Policy>::forward(std::int32_t watch, tensor const& q, tensor const& k, tensor const& v,
                               tensor const& out, basin_cuda_room const& room) {
  watched<Policy>(watch, problem_of(q, k, v), room, [&](auto const& use) {
    basin::forward<forward_tuning<Policy>>(use, view_of<E const>(q), view_of<E const>(k), view_of<E const>(v),
                                           view_of<E>(out), stream_of(room), span_of(room), saved_of(room));
  });
}

template <int Policy>
void calls_of<Policy>::backward(std::int32_t watch, tensor const& q, tensor const& k, tensor const& v,
                                tensor const& out, tensor const& dout, tensor const& dq, tensor const& dk,
                                tensor const& dv, basin_cuda_room const& room) {
  if constexpr (Policy != basin_cuda_own_normalizer)
    watched<Policy>(watch, problem_of(q, k, v), room, [&](auto const& use) {
      basin::backward<one_dim_backward>(use, view_of<E const>(q), view_of<E const>(k), view_of<E const>(v),
                                        view_of<E const>(out), view_of<E const>(dout), view_of<E>(dq), view_of<E>(dk),
                                        view_of<E>(dv), stream_of(room), span_of(room), saved_of(room));
    });
  else throw basin::unsupported_error("basin_cuda: own_normalizer has no Jacobian; only its forward is measured");
}

template <int Policy>
void calls_of<Policy>::decode(tensor const& q, tensor const& k, tensor const& v, tensor const& out,
                              basin_cuda_room const& room) {
  if constexpr (Policy == basin_cuda_full)
    basin::decode<one_dim>(policy<Policy>(), view_of<E const>(q), view_of<E const>(k), view_of<E const>(v),
                           view_of<E>(out), stream_of(room), span_of(room));
  else throw basin::unsupported_error("basin_cuda: decode was compiled for full softmax");
}

template <int Policy>
std::uint64_t calls_of<Policy>::workspace(tensor const& q, tensor const& k, tensor const& v) {
  auto const use = policy<Policy>();
  auto const p = problem_of(q, k, v);
  auto const observed = use.with(basin::received_attention{});
  std::size_t bytes = std::max(basin::forward_workspace(observed, p), basin::decode_workspace(use, p));
  if constexpr (Policy != basin_cuda_own_normalizer) bytes = std::max(bytes, basin::backward_workspace(observed, p));
  return bytes;
}

template <int Policy>
std::uint64_t calls_of<Policy>::saved(tensor const& q, tensor const& k, tensor const& v) {
  return basin::saved_rows_bytes(policy<Policy>(), problem_of(q, k, v));
}

template struct calls_of<BASIN_CASE>;

}  // namespace basin_bench
