// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Few queries against many keys, in one view or in pages: lanes along the head's dim, keys in splits.

#include "basin/core/paged.hpp"
#include "basin/cpu/detail/decode_engine.hpp"
#include "basin/cpu/forward.hpp"

namespace basin::cpu {

/// From so many queries a head on, panels are faster, which hold a query in every lane. Measured in cache, 1024 keys, d 128,
/// AVX-512: 4, 8 and 16 queries take 30, 58 and 108 us here and 57, 57 and 58 us in a panel; of 4 heads of a group 8 take 213 and 230 us.
inline constexpr index_t fewest_queries_of_a_panel = 9;

/// forward() for one query or a few against many keys: a step of generation with a cache of keys and values.
///
/// Shapes      as forward(), or k and v as paged_view; the queries are the last Nq of the positions of their own sequence
/// Precision   as forward() without matrix tiles; k and v in 16 bits are read as float
/// Edges       as forward(); a key whose weight is exactly 0 gives 0 whatever its value, a NaN too
/// Cost        reads k and v once a key head, whatever the normalizer; memory beside the operands: outputs of each split of 1024
///             keys and, where the normalizer needs more than one sweep or somebody watches, the scores, of as many key heads as
///             take 64 MiB, at least one. From 9 queries on it is forward(), unless there are pages
/// Throws      as forward(), hooks included; shape_error: pages that do not exist, lengths beyond the table
/// Determinism run_to_run, for any number of threads; pages of any size give the bits of one view
/// Example     examples/06_decode.cpp
template <class Attention, class Q, class K, class V, class Out>
void decode(Attention const& use, Q const& q, K const& k, V const& v, Out const& out, tuning const& asked = {}) {
  using T = compute_t<typename Q::value_type>;
  problem const p = check_forward("basin::cpu::decode", q, k, v, out);
  validate(use, p);
  tuning const cut = asked.for_call("basin::cpu::decode", p.keys);
  if constexpr (requires { k.extent(2), v.extent(2); })
    if (p.queries >= fewest_queries_of_a_panel) return forward(use, q, k, v, out, cut);
  detail::decode_sizes<T> const size(p, cut, k, v);
  detail::decode_step<T, Attention, Q, K, V> const step{use, q, k, v, size};
  detail::decode_engine<T, Attention, Q, K, V, Out>(step, out).run();
}

}  // namespace basin::cpu
