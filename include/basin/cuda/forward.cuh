// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Attention on a GPU: the entry that checks, and the kernels that it launches.

#include <cstddef>
#include <span>

#include "basin/cuda/detail/forward_block.hpp"
#include "basin/cuda/detail/watch_block.hpp"
#include "basin/cuda/device.cuh"
#include "basin/cuda/error.cuh"

namespace basin {

namespace gpu::detail {

/// Policies cross the boundary one by one: [[no_unique_address]] does not.
template <template <class, class> class Block, class Call, class N, class K, class P, class O, class S>
__global__ void __launch_bounds__(Call::threads) kernel(problem p, view<typename Call::element const, 4> q, view<typename Call::element const, 4> k,
                                                        view<typename Call::element const, 4> v, view<typename Call::output, 4> out, kept_row<N>* kept,
                                                        N normalize, K visible, P prune, O observe, S score) {
  Call const call{{normalize, visible, prune, observe, score}, p, q, k, v, out, kept};
  device const m;
  Block<device, Call>(m, call, m.block()).run();
}

template <template <class, class> class Block, class Call>
void launch(char const* who, Call const& c, cudaStream_t stream) {
  auto const& use = c.use;
  auto* const run = &kernel<Block, Call, decltype(use.normalize), decltype(use.visible), decltype(use.prune), decltype(use.observe), decltype(use.score)>;
  require(who, "cudaFuncSetAttribute", cudaFuncSetAttribute(run, cudaFuncAttributeMaxDynamicSharedMemorySize, Call::shared_bytes));
  auto const blocks = static_cast<unsigned>(Block<device, Call>::blocks(c));
  run<<<blocks, Call::threads, Call::shared_bytes, stream>>>(c.p, c.q, c.k, c.v, c.out, c.kept, use.normalize, use.visible, use.prune, use.observe, use.score);
  require(who, "a kernel", cudaGetLastError());
}

/// f(std::integral_constant<int, Dim>) with the least dim that kernels are made for and the call fits.
template <std::size_t N = 0, class F>
void for_dim(char const* who, problem const& p, F const& f) {
  constexpr std::size_t last = std::size(kernel_dims) - 1;
  index const most = p.dim > p.value_dim ? p.dim : p.value_dim;
  if (most <= kernel_dims[N]) return f(std::integral_constant<int, kernel_dims[N]>{});
  if constexpr (N < last) return for_dim<N + 1>(who, p, f);
  else throw unsupported_error(message(who, ": heads have dim ", p.dim, " and value_dim ", p.value_dim, "; kernels are made for dims of up to ", kernel_dims[last]));
}

}  // namespace gpu::detail

/// How many bytes of the device's memory forward() wants to work in: finished rows, where somebody watches the keys.
template <class Attention>
std::size_t forward_workspace(Attention const&, problem const& p) {
  using watch_type = observation<decltype(Attention::observe)>;
  if constexpr (watch_type::key_values == 0) return 0;
  else return static_cast<std::size_t>(p.batch * p.heads * p.queries) * sizeof(gpu::detail::kept_row<decltype(Attention::normalize)>);
}

/// o_i = sum_j w_ij v_j on a GPU, and what the observers see. All memory is the device's: q, k, v, out, what policies point to, and the
/// workspace.
///
/// Shapes      as cpu::forward(); dims of up to 256
/// Precision   bf16 and fp16: products on tensor cores, sums in fp32, terms rounded to the storage type before they meet the values;
///             fp32 exactly, without TF32, and slowly
/// Edges       a query that sees nothing gives 0; a NaN in v reaches every query of a block of 64 that shares its tile of keys
/// Cost        one sweep over the keys for online normalizers; 2 to 4 and the search's for others; half a sweep more where somebody watches keys
/// Throws      shape_error, value_error, unsupported_error before anything is launched; cuda_error
/// Errors      static_assert: a normalizer that wants whole rows, observers of whole rows or without merge(), q, k and v of several types
/// Determinism run_to_run; no atomics. Nothing is allocated and nothing waits for the device, so that a graph may capture it
template <class Selector = gpu::default_tuning, class Attention, class E, class Out>
void forward(Attention const& use, view<E, 4> q, view<E, 4> k, view<E, 4> v, view<Out, 4> out, cudaStream_t stream, std::span<std::byte> workspace = {}) {
  using normalizer_type = decltype(Attention::normalize);
  using watch_type = observation<decltype(Attention::observe)>;
  static_assert(!fits_rows<normalizer_type>, "basin: forward on a GPU needs a normalizer that is streamable or online; one that fits whole rows runs on the host (concepts/normalizer.hpp)");
  static_assert(!watch_type::wants_whole_rows, "basin: observers of whole rows run on the host; on a GPU use observers of rows or keys (concepts/observer.hpp)");
  static_assert(watch_type::merges, "basin: forward on a GPU needs merge(into, from) of every row observer, as four threads share a row (concepts/observer.hpp)");
  constexpr char const* who = "basin::forward";
  problem const p = check_forward(who, q, k, v, out);
  validate(use, p);
  if (std::size_t const needed = forward_workspace(use, p); workspace.size() < needed)
    throw shape_error(message(who, ": the workspace has ", workspace.size(), " bytes but the call wants ", needed, "; ask forward_workspace(use, problem)"));
  gpu::detail::for_dim(who, p, [&](auto dim) {
    using call_type = gpu::detail::call<std::remove_const_t<E>, dim, Attention, Out, Selector>;
    auto* const kept = watch_type::key_values > 0 ? reinterpret_cast<gpu::detail::kept_row<normalizer_type>*>(workspace.data()) : nullptr;
    call_type const c{use, p, q, k, v, out, kept};
    gpu::detail::launch<gpu::detail::forward_block>(who, c, stream);
    if constexpr (watch_type::key_values > 0) gpu::detail::launch<gpu::detail::watch_block>(who, c, stream);
  });
}

}  // namespace basin
