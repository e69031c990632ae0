// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Gradients of attention on a GPU: the entry that checks a call, and the kernels that it launches.

#include <cstddef>
#include <span>

#include "basin/cuda/detail/key_gradient_block.hpp"
#include "basin/cuda/detail/launch_bulk.cuh"
#include "basin/cuda/detail/query_gradient_block.hpp"

namespace basin {

namespace gpu::detail {

/// The types of a backward call in both generations of kernels.
template <class E, int Dim, class Attention, class Arguments, class Selector>
struct backward_calls {
  template <class S>
  using of = call<E, Dim, Attention, Arguments, S, 2>;
  using portable = of<Selector>;
  using hopper = typename hopper_call<of, E, Dim, Selector>::type;
};

/// Launches the kernel whose blocks own queries, then the one whose blocks own keys.
template <class Selector, class E, class Attention, class Arguments>
void launch_backward(char const* caller, Attention const& use, Arguments const& rest, cudaStream_t stream) {
  for_dim<Selector>(caller, rest.p, [&](auto dim) {
    using calls = backward_calls<E, dim, Attention, Arguments, Selector>;
    using portable = typename calls::portable;
    using hopper = typename calls::hopper;
    launch_best<query_gradient_block, portable, hopper>(caller, use, rest, rest.k, rest.v, stream);
    launch_best<key_gradient_block, portable, hopper>(caller, use, rest, rest.q, rest.dout, stream);
  });
}

}  // namespace gpu::detail

/// Bytes of device memory that backward() needs as workspace: for each row its finished state and its deltas.
template <class Attention>
std::size_t backward_workspace(Attention const&, problem const& p) {
  using normalizer_type = decltype(Attention::normalize);
  using arguments = gpu::detail::backward_arguments<float, normalizer_type, float>;
  constexpr std::size_t row_bytes = sizeof(gpu::detail::kept_row<normalizer_type>);
  constexpr std::size_t delta_bytes = sizeof(typename arguments::delta_type);
  return static_cast<std::size_t>(p.batch * p.heads * p.queries) * (row_bytes + delta_bytes);
}

namespace gpu::detail {

/// The checks that both entries below share.
template <class Attention, class E, class G>
problem checked_backward(char const* caller, Attention const& use, view<E, 4> const& q, view<E, 4> const& k,
                         view<E, 4> const& v, view<E, 4> const& dout, view<G, 4> const& dq, view<G, 4> const& dk,
                         view<G, 4> const& dv, std::span<std::byte const> workspace) {
  static_assert(has_jacobian<decltype(Attention::normalize)>,
                "basin: backward needs a normalizer with jacobian(row, score, weight) -> {diag, outer, carry}; "
                "see concepts/normalizer.hpp");
  require_policies_of_a_gpu<Attention>();
  problem const p = check_backward(caller, q, k, v, dout, dq, dk, dv);
  check_policies(caller, use, p, operands_of_backward(q, k, v, dout, dq, dk, dv));
  require_workspace(caller, "workspace", "backward_workspace", workspace, backward_workspace(use, p));
  return p;
}

}  // namespace gpu::detail

/// Gradients of a loss through forward(): from dout = dL/do, computes dL/dq, dL/dk and dL/dv. All memory is device
/// memory. Observers receive the values of forward(), to rounding.
///
/// Source      as cpu::backward()
/// Shapes      as cpu::backward(); dims up to 256; workspace of backward_workspace() bytes, 16-byte aligned
/// Precision   as forward(); weights and gradients of scores are rounded to the storage type before they are multiplied
/// Edges       a NaN in k, q or dout reaches all gradients of the blocks that process its tile, visible or not, as in
///             forward()
/// Cost        ten products where the normalizer is online: the rows are recomputed, then one pass each computes delta,
///             dq, and the gradients of the keys. Other normalizers add the passes of their search
/// Throws      as forward()
/// Errors      static_assert: a normalizer without jacobian(), and as forward()
/// Determinism run_to_run; no atomics. It allocates nothing and does not synchronise with the device
template <class Selector = gpu::default_backward_tuning, class Attention, class E, class G>
void backward(Attention const& use, view<E, 4> q, view<E, 4> k, view<E, 4> v, view<E, 4> dout, view<G, 4> dq,
              view<G, 4> dk, view<G, 4> dv, cudaStream_t stream, std::span<std::byte> workspace) {
  using normalizer_type = decltype(Attention::normalize);
  constexpr char const* caller = "basin::backward";
  problem const p = gpu::detail::checked_backward(caller, use, q, k, v, dout, dq, dk, dv, workspace);
  using arguments = gpu::detail::backward_arguments<std::remove_const_t<E>, normalizer_type, G>;
  auto* const kept = reinterpret_cast<gpu::detail::kept_row<normalizer_type>*>(workspace.data());
  auto* const deltas = reinterpret_cast<typename arguments::delta_type*>(kept + p.batch * p.heads * p.queries);
  arguments const rest{{p, q, k, v, {}, kept}, dout, dq, dk, dv, deltas};
  gpu::detail::launch_backward<Selector, std::remove_const_t<E>>(caller, use, rest, stream);
}

/// The same after a forward() that kept its rows in `saved` and wrote `out`. It takes seven products where the carry of
/// the Jacobian is the weight (carries_weights, concepts/row_hooks.hpp: softmax and related normalizers, top_k) or
/// where there is none (sigmoid, relu), and nine for others.
///
/// Shapes      as above; out as forward() wrote it, in the type of q; saved as forward() left it
/// Precision   as above; delta is computed from the rounded outputs
/// Throws      as above
template <class Selector = gpu::default_backward_tuning, class Attention, class E, class G>
void backward(Attention const& use, view<E, 4> q, view<E, 4> k, view<E, 4> v, view<std::type_identity_t<E>, 4> out,
              view<E, 4> dout, view<G, 4> dq, view<G, 4> dk, view<G, 4> dv, cudaStream_t stream,
              std::span<std::byte> workspace, std::span<std::byte> saved) {
  using normalizer_type = decltype(Attention::normalize);
  constexpr char const* caller = "basin::backward";
  problem const p = gpu::detail::checked_backward(caller, use, q, k, v, dout, dq, dk, dv, workspace);
  check_like_output(caller, "out", out, p);
  check_apart(caller, operands_of_backward(out, out, out, out, dq, dk, dv));
  using arguments = gpu::detail::saved_backward_arguments<std::remove_const_t<E>, normalizer_type, G>;
  gpu::detail::require_workspace(caller, "memory of saved rows", "saved_rows_bytes", saved, saved_rows_bytes(use, p));
  auto* const kept = reinterpret_cast<gpu::detail::kept_row<normalizer_type>*>(saved.data());
  auto* const deltas = reinterpret_cast<typename arguments::delta_type*>(workspace.data());
  arguments const rest{{{p, q, k, v, {}, kept}, dout, dq, dk, dv, deltas}, out};
  gpu::detail::launch_backward<Selector, std::remove_const_t<E>>(caller, use, rest, stream);
}

}  // namespace basin
