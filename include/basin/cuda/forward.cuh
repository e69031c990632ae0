// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Attention on a GPU: the entry that checks a call, and the kernels that it launches.

#include <cstddef>
#include <span>

#include "basin/cuda/detail/forward_block.hpp"
#include "basin/cuda/detail/launch_bulk.cuh"
#include "basin/cuda/detail/watch_block.hpp"

namespace basin {

namespace gpu::detail {

/// The types of a forward call in both generations of kernels.
template <class E, int Dim, class Attention, class Out, class Selector>
struct forward_calls {
  template <class S>
  using of = forward_call<E, Dim, Attention, Out, S>;
  using portable = of<Selector>;
  using hopper = typename hopper_call<of, E, Dim, Selector>::type;
};

}  // namespace gpu::detail

/// Bytes of device memory for the rows that forward() keeps for backward(): a few numbers for each query and head.
template <class Attention>
std::size_t saved_rows_bytes(Attention const&, problem const& p) {
  using kept_type = gpu::detail::kept_row<decltype(Attention::normalize)>;
  return static_cast<std::size_t>(p.batch * p.heads * p.queries) * sizeof(kept_type);
}

/// Bytes of device memory that forward() needs as workspace: finished rows, where keys are observed and no memory for
/// saved rows is passed.
template <class Attention>
std::size_t forward_workspace(Attention const& use, problem const& p) {
  return observation<decltype(Attention::observe)>::key_values == 0 ? 0 : saved_rows_bytes(use, p);
}

/// o_i = sum_j w_ij v_j on a GPU, with observers. All memory is device memory: q, k, v, out, what policies point to,
/// and the workspace. If `saved` is given (saved_rows_bytes() bytes, 16-byte aligned), the rows are kept there:
/// backward() then need not recompute them, and no workspace is needed.
///
/// Shapes      as cpu::forward(); dims up to 256; workspace of forward_workspace() bytes, 16-byte aligned
/// Precision   bf16 and fp16: products on tensor cores, sums in fp32. Unnormalised weights are rounded to the storage
///             type before they are multiplied by the values: in fp16 one above 65504 overflows (relu, squared_relu,
///             self_adjusted_plain with large scores), in bf16 none does.
///             fp32: exact and slow, or with operands of products rounded to TF32 (Selector = gpu::tf32_tuning)
/// Edges       a query without visible keys gives 0. A NaN or an infinity in v reaches every row of a block (64 queries
///             of all heads of a group) that processes its tile of keys, visible or not, because 0 times it is NaN
///             here, unlike on the host. With normalizers that give zeros (concepts/row_hooks.hpp) the product may be
///             skipped where 16 rows give 16 keys no weight.
///             Where unnormalised weights are exponentials (exponential_normalizer), keys with scores below about -1e7
///             count as hidden
/// Cost        one pass over the keys for online normalizers; 2 to 4 and those of the search for others; half a pass
///             more where keys are observed
/// Throws      shape_error, value_error, unsupported_error before anything is launched; cuda_error
/// Errors      static_assert: a normalizer of whole rows, observers of whole rows or without merge(), q, k and v of
///             different types
/// Determinism run_to_run; no atomics. It allocates nothing and does not synchronise with the device, so a CUDA graph
///             may capture it
template <class Selector = gpu::default_tuning, class Attention, class E, class Out>
void forward(Attention const& use, view<E, 4> q, view<E, 4> k, view<E, 4> v, view<Out, 4> out, cudaStream_t stream,
             std::span<std::byte> workspace = {}, std::span<std::byte> saved = {}) {
  using normalizer_type = decltype(Attention::normalize);
  using watch_type = observation<decltype(Attention::observe)>;
  gpu::detail::require_policies_of_a_gpu<Attention>();
  constexpr char const* caller = "basin::forward";
  problem const p = check_forward(caller, q, k, v, out);
  check_policies(caller, use, p, operands_of_forward(q, k, v, out));
  using gpu::detail::require_workspace;
  if (saved.empty()) require_workspace(caller, "workspace", "forward_workspace", workspace, forward_workspace(use, p));
  else require_workspace(caller, "memory for saved rows", "saved_rows_bytes", saved, saved_rows_bytes(use, p));
  gpu::detail::for_dim<Selector>(caller, p, [&](auto dim) {
    using calls = gpu::detail::forward_calls<std::remove_const_t<E>, dim, Attention, Out, Selector>;
    using portable = typename calls::portable;
    using hopper = typename calls::hopper;
    auto const rows = !saved.empty() ? saved : watch_type::key_values > 0 ? workspace : std::span<std::byte>();
    auto* const kept = reinterpret_cast<gpu::detail::kept_row<normalizer_type>*>(rows.data());
    typename portable::arguments const rest{p, q, k, v, out, kept};
    gpu::detail::launch_best<gpu::detail::forward_block, portable, hopper>(caller, use, rest, k, v, stream);
    if constexpr (watch_type::key_values > 0)
      gpu::detail::launch_best<gpu::detail::watch_block, portable, hopper>(caller, use, rest, q, q, stream);
  });
}

}  // namespace basin
