// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The Hopper kernels, on the host.

#include "basin/cuda/detail/bulk_roles.hpp"
#include "device/half_call.hpp"
#include "support/host_group.hpp"

namespace basin_test {

/// Whether warp groups start their products in turn.
enum class turns { none, taken };

/// The number of warp groups and of stages, with as few threads and columns as the generation allows.
template <int Groups, int Columns, int Stages, turns Turns = turns::none, int ByMultiplyAdds = 0>
struct groups_of {
  using generation = basin::gpu::detail::bulk;
  static constexpr basin::gpu::tuning of(int, int) {
    return {4 * Groups, Columns, Stages, Turns == turns::taken, ByMultiplyAdds};
  }
};

template <template <class, class> class Block, class Call, class First, class Second>
void launch_in_roles(Call const& c, First const& first, Second const& second) {
  namespace gpu = basin::gpu::detail;
  host_boxes const tensors[2] = {host_boxes::of(first, Call::cut.columns), host_boxes::of(second, Call::cut.columns)};
  host_device device(gpu::threads_in_roles<Call>, static_cast<std::size_t>(Call::shared_bytes));
  device.launch(Block<host_group<true>, Call>::blocks(c), [&](host_device::thread_of_block const& m) {
    gpu::run_in_roles<Block>(host_group<true>(m, tensors), c);
  });
}

/// forward() of the Hopper kernels on the host.
template <int Dim, class Selector, class Attention, class E, class Out>
void host_forward_in_groups(Attention const& use, basin::view<E, 4> q, basin::view<E, 4> k, basin::view<E, 4> v,
                            basin::view<Out, 4> out) {
  namespace gpu = basin::gpu::detail;
  basin::problem const p = basin::check_forward("host_forward_in_groups", q, k, v, out);
  basin::validate(use, p);
  using call_type = gpu::forward_call<std::remove_const_t<E>, Dim, Attention, Out, Selector>;
  auto const rows = static_cast<std::size_t>(p.batch * p.heads * p.queries);
  std::vector<gpu::kept_row<decltype(use.normalize)>> kept(rows);
  call_type const c(use, {p, q, k, v, out, kept.data()});
  launch_in_roles<gpu::forward_block>(c, k, v);
  if constexpr (call_type::watch_type::key_values > 0) launch_in_roles<gpu::watch_block>(c, q, q);
}

/// The same for backward().
template <int Dim, class Selector, class Attention, class E, class G>
void host_backward_in_groups(Attention const& use, basin::view<E, 4> q, basin::view<E, 4> k, basin::view<E, 4> v,
                             basin::view<E, 4> dout, basin::view<G, 4> dq, basin::view<G, 4> dk,
                             basin::view<G, 4> dv) {
  namespace gpu = basin::gpu::detail;
  basin::problem const p = basin::check_backward("host_backward_in_groups", q, k, v, dout, dq, dk, dv);
  basin::validate(use, p);
  using call_type = gpu::backward_call<std::remove_const_t<E>, Dim, Attention, G, Selector>;
  auto const rows = static_cast<std::size_t>(p.batch * p.heads * p.queries);
  std::vector<gpu::kept_row<decltype(use.normalize)>> kept(rows);
  std::vector<typename call_type::delta_type> deltas(rows);
  call_type const c(use, {{p, q, k, v, {}, kept.data()}, dout, dq, dk, dv, deltas.data()});
  launch_in_roles<gpu::query_gradient_block>(c, k, v);
  launch_in_roles<gpu::key_gradient_block>(c, q, dout);
}

}  // namespace basin_test
