// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The forward pass on the host: query tiles with one query in each SIMD lane, groups of query tiles that share each
// block of keys, and threads over the groups.

#include <optional>

#include "basin/cpu/detail/stream.hpp"

namespace basin::cpu {

namespace detail {

template <int Vectors, class Call>
void forward_panels(Call const& call, panel_range range, panel_cuts const& cuts, forward_buffers<Call> const& buffers,
                 double* totals) {
  if constexpr (one_sweep<typename Call::attention_type>) stream_panels<Vectors>(call, range, cuts, buffers, totals);
  else whole_rows_panels<Vectors>(call, range, cuts, buffers, totals);
}

}  // namespace detail

/// o_i = sum_j w_ij v_j on the host, and what the observers record.
///
/// Shapes      q [B, H, Nq, D], k [B, Hk, Nk, D], v [B, Hk, Nk, Dv], out [B, H, Nq, Dv]; any strides; H a multiple of
///             Hk
/// Precision   fp64 in fp64; fp32, bf16 and fp16 in fp32, outputs rounded once. Against the reference, |error| is at
///             most tolerance.hpp of the tests, about (D + n) eps: n = Nk up to 8 blocks of keys (1024 keys by
///             default), then 1024 + 32 + Nk/32768, because longer sums are added in parts (detail/sum_tree.hpp). The
///             same holds for row observers that have merge(). Where bf16 products use matrix tiles (AMX), unnormalised
///             weights are rounded to bf16 before they multiply the values: 2^-8 of max |v| more
/// Edges       a query with no visible key gives 0; a NaN or an infinity in q, k or v affects only the queries to which
///             it is visible
/// Cost        2 B H Nq Nk (D + Dv) flop. A thread uses 0.5 MiB (d = 64; 1 MiB at d = 256; its outputs once more from
///             1025 keys on, and again from 32769 keys on) and 10 bytes a key if the normalizer is streamable. Other
///             normalizers hold Nk scores for each of 48 queries (AVX-512). Key observers hold the unnormalised weights
///             of as many query tiles as fit tuning.kept_bytes, at least one, and 8 bytes a key for each of
///             tuning.tasks pieces. Whole-row observers hold the scores of a query tile twice more
/// Throws      shape_error, value_error: nothing is written before all checks have passed. bad_alloc, and the first
///             exception that a hook throws in any thread: the outputs are then unspecified
/// Determinism run_to_run, for any number of threads
/// Example     examples/01_hello.cpp
template <class Attention, class Q, class K, class V, class Out>
void forward(Attention const& use, Q const& q, K const& k, V const& v, Out const& out, tuning const& asked = {}) {
  if constexpr (entry::takes(entry::reads<Q, K, V>{}, entry::writes<Out>{})) {
    constexpr auto caller = "basin::cpu::forward";
    problem const p = check_forward(caller, q, k, v, out);
    check_policies_on_host(caller, use, p, operands_of_forward(q, k, v, out));
    tuning const cut = asked.for_call(caller, p.keys);
    using call_type = detail::forward_call<Attention, Q, K, V, Out>;
    using T = typename call_type::T;
    call_type const call{use, typename call_type::watch_type(use.observe), p, cut, q, k, v, out};
    detail::workspaces const memory([&](detail::workspace& w) { detail::forward_buffers<call_type>(w, call); });
    auto const cuts = detail::panel_cuts::of(p, T{});
    auto const forward_range = [&](detail::panel_range part, double* totals) {
      detail::forward_buffers<call_type> const buffers(memory.mine(), call);
      std::optional<detail::tiles::session> session;
      if (buffers.by_tiles) session.emplace();
      if (part.narrow) detail::forward_panels<1>(call, part, cuts, buffers, totals);
      else detail::forward_panels<panel_vectors<T>>(call, part, cuts, buffers, totals);
    };
    index_t const together = call.plan().together;
    if constexpr (call_type::watch_type::key_values > 0)
      detail::over_watched_ranges(p, cuts, together, cut, call.watch, forward_range);
    else detail::over_ranges(p, cuts, together, [&](detail::panel_range part) { forward_range(part, nullptr); });
  }
}

}  // namespace basin::cpu
