// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/attention.hpp"
#include "basin/concepts/observation.hpp"

namespace basin::gpu {

/// How a forward call is worked on a GPU.
enum class way {
  stream,                               // one sweep over the keys: rows are raised, what was added up is rescaled
  count_and_stream,                     // the same, after a sweep that counts the keys that a row sees
  sweeps                                // count, measure and search in sweeps of their own, then weights and outputs in a last one
};

/// The choice, from the normalizer alone: who observes must change no bit of the output. Observers of keys, and those of rows that cannot
/// follow a row that is rescaled on the way, are shown finished rows afterwards.
template <class Attention>
BASIN_HD constexpr way plan_forward() {
  using normalizer_type = decltype(Attention::normalize);
  if constexpr (takes_one_sweep<normalizer_type>) return way::stream;
  else return online_normalizer<normalizer_type> && !sweeps_rows<normalizer_type> ? way::count_and_stream : way::sweeps;
}

}  // namespace basin::gpu
