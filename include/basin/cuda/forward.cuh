// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Attention on a GPU: the entry that checks, and the kernels that it launches.

#include <cstddef>
#include <span>

#include "basin/cuda/detail/forward_block.hpp"
#include "basin/cuda/detail/launch_bulk.cuh"
#include "basin/cuda/detail/watch_block.hpp"

namespace basin {

namespace gpu::detail {

/// A forward call in both generations.
template <class E, int Dim, class Attention, class Out, class Selector>
struct forward_calls {
  template <class S>
  using of = forward_call<E, Dim, Attention, Out, S>;
  using portable = of<Selector>;
  using hopper = typename hopper_call<of, E, Dim, Selector>::type;
};

}  // namespace gpu::detail

/// How many bytes of the device's memory the rows of a call take that forward() keeps for backward(): a few numbers a query and head.
template <class Attention>
std::size_t saved_rows_bytes(Attention const&, problem const& p) {
  return static_cast<std::size_t>(p.batch * p.heads * p.queries) * sizeof(gpu::detail::kept_row<decltype(Attention::normalize)>);
}

/// How many bytes of the device's memory forward() wants to work in: finished rows, where somebody watches the keys and nobody saves them.
template <class Attention>
std::size_t forward_workspace(Attention const& use, problem const& p) {
  return observation<decltype(Attention::observe)>::key_values == 0 ? 0 : saved_rows_bytes(use, p);
}

/// o_i = sum_j w_ij v_j on a GPU, and what the observers see. All memory is the device's: q, k, v, out, what policies point to, and the
/// workspace. Rows are kept in `saved`, where it is given, of saved_rows_bytes() bytes, 16-byte aligned: backward() then need not make them
/// again, and no workspace is wanted.
///
/// Shapes      as cpu::forward(); dims of up to 256; workspace of forward_workspace() bytes, 16-byte aligned
/// Precision   bf16 and fp16: products on tensor cores, sums in fp32, terms rounded to the storage type before they meet the values,
///             as they go, before they are normalised: in fp16 a term above 65504 overflows (relu, squared_relu, self_adjusted_plain of
///             large scores), in bf16 none does; fp32 exactly and slowly, or with operands of products rounded to TF32 (Selector = gpu::tf32_tuning)
/// Edges       a query that sees nothing gives 0. A NaN or an infinity in v reaches every row of a block (64 queries of all heads of a group)
///             that meets its tile of keys, seen or not: 0 times it is a NaN here, unlike on the host;
///             with normalizers that give zeros (concepts/normalizer.hpp) it may be left out where 16 rows give 16 keys no weight
///             Where terms are exponentials (exponential_normalizer), scores below about -1e7 count as keys that are not seen
/// Cost        one sweep over the keys for online normalizers; 2 to 4 and the search's for others; half a sweep more where somebody watches keys
/// Throws      shape_error, value_error, unsupported_error before anything is launched; cuda_error
/// Errors      static_assert: a normalizer that wants whole rows, observers of whole rows or without merge(), q, k and v of several types
/// Determinism run_to_run; no atomics. Nothing is allocated and nothing waits for the device, so that a graph may capture it
template <class Selector = gpu::default_tuning, class Attention, class E, class Out>
void forward(Attention const& use, view<E, 4> q, view<E, 4> k, view<E, 4> v, view<Out, 4> out, cudaStream_t stream, std::span<std::byte> workspace = {},
             std::span<std::byte> saved = {}) {
  using normalizer_type = decltype(Attention::normalize);
  using watch_type = observation<decltype(Attention::observe)>;
  gpu::detail::require_policies_of_a_gpu<Attention>();
  constexpr char const* who = "basin::forward";
  problem const p = check_forward(who, q, k, v, out);
  check_policies(who, use, p, operands_of_forward(q, k, v, out));
  if (saved.empty()) gpu::detail::require_workspace(who, "workspace", "forward_workspace", workspace, forward_workspace(use, p));
  else gpu::detail::require_workspace(who, "memory for saved rows", "saved_rows_bytes", saved, saved_rows_bytes(use, p));
  gpu::detail::for_dim<Selector>(who, p, [&](auto dim) {
    using call = gpu::detail::forward_calls<std::remove_const_t<E>, dim, Attention, Out, Selector>;
    auto const rows = !saved.empty() ? saved : watch_type::key_values > 0 ? workspace : std::span<std::byte>();
    auto* const kept = reinterpret_cast<gpu::detail::kept_row<normalizer_type>*>(rows.data());
    typename call::portable::arguments const rest{p, q, k, v, out, kept};
    gpu::detail::launch_best<gpu::detail::forward_block, typename call::portable, typename call::hopper>(who, use, rest, k, v, stream);
    if constexpr (watch_type::key_values > 0) gpu::detail::launch_best<gpu::detail::watch_block, typename call::portable, typename call::hopper>(who, use, rest, q, q, stream);
  });
}

}  // namespace basin
