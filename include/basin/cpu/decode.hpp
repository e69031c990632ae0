// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Few queries against many keys, in one view or in pages: SIMD lanes along the head's dim, keys cut into splits.

#include "basin/core/paged.hpp"
#include "basin/cpu/detail/decode_engine.hpp"
#include "basin/cpu/forward.hpp"

namespace basin::cpu {

namespace detail {

/// A normalizer whose rows the engine processes one query tile at a time, never one row at a time (any_normalizer.hpp).
template <class N>
concept in_query_tiles = requires { requires N::in_query_tiles::value; };

/// decode() without the query tiles that take over from 9 queries on. Arguments are checked, and cut is for this call.
template <class Attention, class Q, class K, class V, class Out>
void decode_in_splits(Attention const& use, Q const& q, K const& k, V const& v, Out const& out, problem const& p,
                      tuning const& cut) {
  using T = compute_t<typename Q::value_type>;
  decode_sizes<T> const size(p, cut, k, v);
  decode_step<T, Attention, Q, K, V> const step{use, q, k, v, size};
  decode_engine<T, Attention, Q, K, V, Out>(step, out).run();
}

}  // namespace detail

/// From this many queries a head on, query tiles with one query in each lane are faster. Measured in cache, 1024 keys,
/// d 128, AVX-512: 4, 8 and 16 queries take 30, 58 and 108 us here and 57, 57 and 58 us in a tile; 4 queries of each of
/// 8 heads in a group take 213 and 230 us.
inline constexpr index_t fewest_queries_of_a_panel = 9;

/// forward() for one query or a few against many keys: a step of generation with a cache of keys and values.
///
/// Shapes      as forward(), or k and v as paged_view; the queries are the last Nq of the positions of their own
///             sequence
/// Precision   as forward() without matrix tiles; k and v in 16 bits are read as float
/// Edges       as forward(); a key whose weight is exactly 0 gives 0 whatever its value, a NaN too
/// Cost        reads k and v once per key head, for every normalizer. Memory beside the operands: the outputs of each
///             split of 1024 keys; and the scores, if the normalizer needs several passes or an observer is present. It
///             covers as many key heads as take 64 MiB, at least one. From 9 queries on, it calls forward() unless k
///             and v are in pages
/// Throws      as forward(), hooks included; shape_error: pages that do not exist, lengths beyond the table
/// Determinism run_to_run, for any number of threads; pages of any size give the same bits as one view
/// Example     examples/06_decode.cpp
template <class Attention, class Q, class K, class V, class Out>
void decode(Attention const& use, Q const& q, K const& k, V const& v, Out const& out, tuning const& asked = {}) {
  if constexpr (entry::takes(entry::reads<Q, K, V>{}, entry::writes<Out>{})) {
    constexpr auto caller = "basin::cpu::decode";
    problem const p = check_forward(caller, q, k, v, out);
    check_policies_on_host(caller, use, p, operands_of_forward(q, k, v, out));
    tuning const cut = asked.for_call(caller, p.keys);
    constexpr auto pages = !requires { k.extent(2), v.extent(2); };
    if constexpr (detail::in_query_tiles<decltype(Attention::normalize)>) {
      static_assert(!pages, "basin: keys in pages need a normalizer that is known when the program is compiled; pass "
                            "keys and values as views");
      return forward(use, q, k, v, out, cut);
    } else {
      if constexpr (!pages)
        if (p.queries >= fewest_queries_of_a_panel) return forward(use, q, k, v, out, cut);
      detail::decode_in_splits(use, q, k, v, out, p, cut);
    }
  }
}

}  // namespace basin::cpu
