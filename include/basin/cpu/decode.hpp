// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Few queries against many keys: the keys are split, every split makes its own rows, and the row states merge.

#include "basin/cpu/forward.hpp"

namespace basin::cpu {

/// forward() for one query or a few against many keys: a step of generation with a cache of keys and values.
///
/// Shapes      as forward(); the queries are the last Nq of the Nk positions
/// Cost        reads k and v once a query head; split over keys where the normalizer is online and the queries fit one vector of
///             lanes, otherwise it is forward(); observers cost a forward() more, as they must change no bit of the output
/// Throws      as forward()
/// Determinism run_to_run, for any number of threads
/// Example     examples/06_decode.cpp
template <class Attention, class Q, class K, class V, class Out>
void decode(Attention const& use, Q const& q, K const& k, V const& v, Out const& out, tuning const& cut = {}) {
  check_forward("basin::cpu::decode", q, k, v, out);
  cut.validate("basin::cpu::decode");
  forward(use, q, k, v, out, cut);
}

}  // namespace basin::cpu
