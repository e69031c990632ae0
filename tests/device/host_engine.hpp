// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The kernels of the CUDA engine on the host: the same bodies, one fiber for each CUDA thread.

#include "basin/cuda/detail/forward_block.hpp"
#include "basin/cuda/detail/key_gradient_block.hpp"
#include "basin/cuda/detail/query_gradient_block.hpp"
#include "basin/cuda/detail/split_block.hpp"
#include "basin/cuda/detail/watch_block.hpp"
#include "support/calls.hpp"
#include "support/host_machine.hpp"

namespace basin_test {

/// Blocks of two warps and the fewest columns of a product, so that few fibers run.
struct small_blocks {
  static constexpr basin::gpu::tuning of(int, int) { return {2, 16, 2}; }
};

template <int Dim, class Selector, class Attention, class E, class Out>
void host_forward_of(Attention const& use, basin::problem const& p, basin::view<E, 4> q, basin::view<E, 4> k,
                     basin::view<E, 4> v, basin::view<Out, 4> out) {
  using call_type = basin::gpu::detail::forward_call<std::remove_const_t<E>, Dim, Attention, Out, Selector>;
  using machine = host_device::thread_of_block;
  basin::validate(use, p);
  auto const rows = static_cast<std::size_t>(p.batch * p.heads * p.queries);
  std::vector<basin::gpu::detail::kept_row<decltype(use.normalize)>> kept(rows);
  call_type const c(use, {p, q, k, v, out, kept.data()});
  host_device device(call_type::threads, static_cast<std::size_t>(call_type::shared_bytes));
  using forward = basin::gpu::detail::forward_block<machine, call_type>;
  device.launch(forward::blocks(c), [&](machine const& m) { forward(m, c, m.block()).run(); });
  if constexpr (call_type::watch_type::key_values > 0) {
    using watch = basin::gpu::detail::watch_block<machine, call_type>;
    device.launch(watch::blocks(c), [&](machine const& m) { watch(m, c, m.block()).run(); });
  }
}

/// forward() of the CUDA engine on the host, for heads of up to 32 or 96. Fewer kernels compile faster.
template <class Selector = small_blocks, int MostDim = 96, class Attention, class E, class Out>
void host_forward(Attention const& use, basin::view<E, 4> q, basin::view<E, 4> k, basin::view<E, 4> v,
                  basin::view<Out, 4> out) {
  basin::problem const p = basin::check_forward("host_forward", q, k, v, out);
  index_t const dim = std::max(p.dim, p.value_dim);
  if (dim <= 32) host_forward_of<32, Selector>(use, p, q, k, v, out);
  else if constexpr (MostDim > 32) host_forward_of<96, Selector>(use, p, q, k, v, out);
}

template <int Dim, class Selector, class Attention, class E, class G>
void host_backward_of(Attention const& use, basin::problem const& p, basin::view<E, 4> q, basin::view<E, 4> k,
                      basin::view<E, 4> v, basin::view<E, 4> dout, basin::view<G, 4> dq, basin::view<G, 4> dk,
                      basin::view<G, 4> dv) {
  using call_type = basin::gpu::detail::backward_call<std::remove_const_t<E>, Dim, Attention, G, Selector>;
  using machine = host_device::thread_of_block;
  basin::validate(use, p);
  auto const rows = static_cast<std::size_t>(p.batch * p.heads * p.queries);
  std::vector<basin::gpu::detail::kept_row<decltype(use.normalize)>> kept(rows);
  std::vector<typename call_type::delta_type> deltas(rows);
  call_type const c(use, {{p, q, k, v, {}, kept.data()}, dout, dq, dk, dv, deltas.data()});
  host_device device(call_type::threads, static_cast<std::size_t>(call_type::shared_bytes));
  using of_queries = basin::gpu::detail::query_gradient_block<machine, call_type>;
  using of_keys = basin::gpu::detail::key_gradient_block<machine, call_type>;
  device.launch(of_queries::blocks(c), [&](machine const& m) { of_queries(m, c, m.block()).run(); });
  device.launch(of_keys::blocks(c), [&](machine const& m) { of_keys(m, c, m.block()).run(); });
}

/// The same for backward().
template <class Selector = small_blocks, int MostDim = 96, class Attention, class E, class G>
void host_backward(Attention const& use, basin::view<E, 4> q, basin::view<E, 4> k, basin::view<E, 4> v,
                   basin::view<E, 4> dout, basin::view<G, 4> dq, basin::view<G, 4> dk, basin::view<G, 4> dv) {
  basin::problem const p = basin::check_backward("host_backward", q, k, v, dout, dq, dk, dv);
  index_t const dim = std::max(p.dim, p.value_dim);
  if (dim <= 32) host_backward_of<32, Selector>(use, p, q, k, v, dout, dq, dk, dv);
  else if constexpr (MostDim > 32) host_backward_of<96, Selector>(use, p, q, k, v, dout, dq, dk, dv);
}

/// A forward() that keeps its rows and writes `out`, then a backward() that uses both, for heads of up to 32.
template <class Attention, class E, class S, class G>
void host_saved_backward(Attention const& use, basin::view<E, 4> q, basin::view<E, 4> k, basin::view<E, 4> v,
                         basin::view<S, 4> out, basin::view<E, 4> dout, basin::view<G, 4> dq, basin::view<G, 4> dk,
                         basin::view<G, 4> dv) {
  namespace gpu = basin::gpu::detail;
  basin::problem const p = basin::check_backward("host_saved_backward", q, k, v, dout, dq, dk, dv);
  basin::validate(use, p);
  auto const launch = [&]<template <class, class> class Block>(auto const& c) {
    using call_type = std::remove_cvref_t<decltype(c)>;
    using block = Block<host_device::thread_of_block, call_type>;
    host_device device(call_type::threads, static_cast<std::size_t>(call_type::shared_bytes));
    device.launch(block::blocks(c), [&](host_device::thread_of_block const& m) { block(m, c, m.block()).run(); });
  };
  auto const rows = static_cast<std::size_t>(p.batch * p.heads * p.queries);
  std::vector<gpu::kept_row<decltype(use.normalize)>> kept(rows);
  using forward_type = gpu::forward_call<S, 32, Attention, S, small_blocks>;
  launch.template operator()<gpu::forward_block>(forward_type(use, {p, q, k, v, out, kept.data()}));
  using call_type = gpu::saved_backward_call<S, 32, Attention, G, small_blocks>;
  std::vector<typename call_type::delta_type> deltas(rows);
  call_type const c(use, {{{p, q, k, v, {}, kept.data()}, dout, dq, dk, dv, deltas.data()}, out});
  launch.template operator()<gpu::query_gradient_block>(c);
  launch.template operator()<gpu::key_gradient_block>(c);
}

/// decode() of the CUDA engine on the host, for heads of up to 32, with keys in parts, in one view or in pages.
template <class Selector, class Attention, class E, class Keys, class Out>
void host_decode_of(Attention const& use, basin::problem const& p, basin::view<E, 4> q, Keys k, Keys v,
                    basin::view<Out, 4> out, index_t keys_per_split) {
  using S = std::remove_const_t<E>;
  using N = decltype(use.normalize);
  using call_type = basin::gpu::detail::split_call<S, 32, Attention, Out, Keys, Selector>;
  using machine = host_device::thread_of_block;
  basin::validate(use, p);
  index_t const splits = (p.keys + keys_per_split - 1) / keys_per_split, rows = p.batch * p.heads * p.queries;
  std::vector<basin::gpu::detail::kept_row<N>> kept(static_cast<std::size_t>(rows));
  using part_type = basin::gpu::detail::row_part<N, typename call_type::watch_type>;
  std::vector<part_type> parts(static_cast<std::size_t>(rows * splits));
  std::vector<float> outputs(static_cast<std::size_t>(rows * splits * p.value_dim),
                             std::numeric_limits<float>::quiet_NaN());
  call_type const c(use, {{p, q, k, v, out, kept.data()}, splits, keys_per_split, parts.data(), outputs.data()});
  host_device device(call_type::threads, static_cast<std::size_t>(call_type::shared_bytes));
  auto const launch = [&]<template <class, class> class Block>() {
    using block = Block<machine, call_type>;
    device.launch(block::blocks(c), [&](machine const& m) { block(m, c, m.block()).run(); });
  };
  launch.template operator()<basin::gpu::detail::split_block>();
  launch.template operator()<basin::gpu::detail::join_block>();
  if constexpr (call_type::watch_type::key_values > 0) launch.template operator()<basin::gpu::detail::watch_block>();
}

template <class Attention, class E, class Keys, class Out>
void host_decode(Attention const& use, basin::problem const& p, basin::view<E, 4> q, Keys k, Keys v,
                 basin::view<Out, 4> out, index_t keys_per_split) {
  host_decode_of<small_blocks>(use, p, q, k, v, out, keys_per_split);
}

inline constexpr auto on_host = [](auto const& use, auto& c) { host_forward(use, c.q.v, c.k.v, c.v.v, c.out.v); };
inline constexpr auto on_host_saved_backward = [](auto const& use, auto& c) {
  host_saved_backward(use, c.q.v, c.k.v, c.v.v, c.out.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
};
inline constexpr auto on_host_backward = [](auto const& use, auto& c) {
  host_backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
};

}  // namespace basin_test
