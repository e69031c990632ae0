// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One decoding step on a GPU: few queries against many keys, which lie in one view or in pages.

#include <cstddef>
#include <span>

#include "basin/cuda/detail/launch.cuh"
#include "basin/cuda/detail/split_block.hpp"
#include "basin/cuda/detail/watch_block.hpp"

namespace basin {

namespace gpu::detail {

/// Keys of one part. It depends on the problem alone, so that the bits do not depend on the device.
inline constexpr index_t keys_per_split = 1024;

template <class Attention>
using part_of = row_part<decltype(Attention::normalize), observation<decltype(Attention::observe)>>;

/// `bytes` rounded up to a multiple of 16, so that every piece of the workspace is aligned.
constexpr std::size_t padded_bytes(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

template <class Attention>
constexpr index_t splits_of(problem const& p) {
  return plan_forward<Attention>() == strategy::stream ? (p.keys + keys_per_split - 1) / keys_per_split : 1;
}

template <class E>
problem decode_problem(char const* caller, view<E, 4> const& q, view<E, 4> const& k, view<E, 4> const& v) {
  return check_inputs(caller, q, k, v);
}
/// Checks of pages what the host can read. Their table and lengths lie in device memory.
template <class E>
problem decode_problem(char const* caller, view<E, 4> const& q, paged_view<E> const& k, paged_view<E> const& v) {
  basin::detail::require_extents(caller, "q", q);
  basin::detail::require_extents(caller, "the pool of k", k.pages);
  basin::detail::require_extents(caller, "the pool of v", v.pages);
  basin::detail::require_equal(caller, "the number of lengths of k", k.lengths.extent(0), "the batch of q",
                               q.extent(0));
  basin::detail::require_equal(caller, "the number of rows of the table of k", k.table.extent(0), "the batch of q",
                               q.extent(0));
  basin::detail::require_equal(caller, "the number of rows of the table of v", v.table.extent(0), "the batch of q",
                               q.extent(0));
  basin::detail::require_equal(caller, "the number of heads of v", v.heads(), "that of k", k.heads());
  basin::detail::require_equal(caller, "the dim of k", k.dim(), "the dim of q", q.extent(3));
  basin::detail::require_equal(caller, "how many values fit the table of v", v.table.extent(1) * v.page_size(),
                               "how many keys fit that of k", k.table.extent(1) * k.page_size());
  if (q.extent(1) % k.heads() != 0)
    throw shape_error(message(caller, ": q has ", q.extent(1), " heads and k has ", k.heads(),
                              "; query heads must be a multiple of key heads"));
  return {q.extent(0), q.extent(1), k.heads(), q.extent(2), k.table.extent(1) * k.page_size(), q.extent(3), v.dim()};
}

/// Launches the parts of the keys and their merge, or one block for all keys; then the kernel for observed keys.
template <int Dim, class Selector, class Attention, class E, class N, class Out, class Keys>
void launch_decode(char const* caller, Attention const& use, forward_arguments<E, N, Out, Keys> plain,
                   cudaStream_t stream, std::span<std::byte> workspace) {
  constexpr auto watches_keys = observation<decltype(Attention::observe)>::key_values > 0;
  static_assert(keys_per_split % Selector::of(sizeof(E), Dim).columns == 0,
                "basin: the keys of a part must be a multiple of the columns of a tile");
  problem const& p = plain.p;
  index_t const rows = p.batch * p.heads * p.queries, splits = splits_of<Attention>(p);
  if constexpr (watches_keys) plain.kept = reinterpret_cast<kept_row<N>*>(workspace.data());
  if constexpr (plan_forward<Attention>() == strategy::stream)
    if (splits > 1) {
      std::size_t const kept_bytes =
          watches_keys ? padded_bytes(static_cast<std::size_t>(rows) * sizeof(kept_row<N>)) : 0;
      std::size_t const part_bytes = static_cast<std::size_t>(rows * splits) * sizeof(part_of<Attention>);
      std::byte* const after_kept = workspace.data() + kept_bytes;
      auto* const parts = reinterpret_cast<part_of<Attention>*>(after_kept);
      auto* const outputs = reinterpret_cast<float*>(after_kept + padded_bytes(part_bytes));
      split_call<E, Dim, Attention, Out, Keys, Selector> const c(use, {plain, splits, keys_per_split, parts, outputs});
      launch<split_block>(caller, c, stream);
      launch<join_block>(caller, c, stream);
      if constexpr (watches_keys) launch<watch_block>(caller, c, stream);
      return;
    }
  forward_call<E, Dim, Attention, Out, Selector, Keys> const c(use, plain);
  launch<forward_block>(caller, c, stream);
  if constexpr (watches_keys) launch<watch_block>(caller, c, stream);
}

}  // namespace gpu::detail

/// Bytes of device memory that decode() needs as workspace: for the parts of every row, and for finished rows where
/// keys are observed. With pages, `keys` of the problem is the number of keys that fit the table.
template <class Attention>
std::size_t decode_workspace(Attention const&, problem const& p) {
  using namespace gpu::detail;
  using kept_type = kept_row<decltype(Attention::normalize)>;
  auto const rows = static_cast<std::size_t>(p.batch * p.heads * p.queries);
  auto const splits = static_cast<std::size_t>(splits_of<Attention>(p)), parts = rows * splits;
  bool const watches_keys = observation<decltype(Attention::observe)>::key_values > 0;
  std::size_t const kept_bytes = watches_keys ? padded_bytes(rows * sizeof(kept_type)) : 0;
  if (splits <= 1) return kept_bytes;
  std::size_t const output_bytes = parts * static_cast<std::size_t>(p.value_dim) * sizeof(float);
  return kept_bytes + padded_bytes(parts * sizeof(part_of<Attention>)) + output_bytes;
}

/// forward() for few queries against many keys. Where the normalizer is online, the keys are split into parts of 1024,
/// one block each. For other normalizers one block for each group of heads processes all keys.
///
/// Shapes      as forward(), or k and v as paged_view of device memory; the queries are the last Nq positions of their
///             own sequence. With pages, masks, pruners and observers are given a problem with as many keys as fit the
///             table
/// Edges       as forward(); a sequence of length 0 gives 0. Page numbers are not checked, because table and lengths
///             lie in device memory
/// Cost        reads k and v once for each key head
/// Throws      as forward()
/// Determinism as forward(); the bits do not depend on the device
template <class Selector = gpu::default_tuning, class Attention, class E, class Keys, class Out>
void decode(Attention const& use, view<E, 4> q, Keys k, Keys v, view<Out, 4> out, cudaStream_t stream,
            std::span<std::byte> workspace) {
  using namespace gpu::detail;
  require_policies_of_a_gpu<Attention>();
  constexpr char const* caller = "basin::decode";
  problem const p = decode_problem(caller, q, k, v);
  check_output(caller, "out", out, p.batch, p.heads, p.queries, p.value_dim);
  auto const tensors = operands_of_forward(q, k, v, out);
  check_apart(caller, tensors);
  check_policies(caller, use, p, tensors);
  require_workspace(caller, "workspace", "decode_workspace", workspace, decode_workspace(use, p));
  for_dim<Selector>(caller, p, [&](auto dim) {
    forward_arguments<std::remove_const_t<E>, decltype(Attention::normalize), Out, Keys> plain{p, q, k, v, out};
    if constexpr (requires { typename Selector::few_rows; }) {
      using few_rows = typename Selector::few_rows;
      if (p.queries * (p.heads / p.kv_heads) <= few_rows::rows)
        return launch_decode<dim, few_rows>(caller, use, plain, stream, workspace);
    }
    launch_decode<dim, Selector>(caller, use, plain, stream, workspace);
  });
}

}  // namespace basin
