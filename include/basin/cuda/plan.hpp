// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/attention.hpp"
#include "basin/concepts/observation.hpp"

namespace basin::gpu {

/// The strategy of a forward call on a GPU.
enum class strategy {
  stream,                               // one pass over the keys; sums are rescaled when the reference of a row changes
  count_and_stream,                     // the same, after a pass that counts the visible keys of each row
  sweeps                                // passes to count, measure and search; a last pass for weights and outputs
};

/// The strategy depends on the normalizer alone, because observers must change no bit of the output. Observers of keys,
/// and observers of rows that do not support rescaling, read finished rows afterwards.
template <class Attention>
BASIN_HD constexpr strategy plan_forward() {
  using normalizer_type = decltype(Attention::normalize);
  if constexpr (takes_one_sweep<normalizer_type>) return strategy::stream;
  else if constexpr (online_normalizer<normalizer_type> && !sweeps_rows<normalizer_type>)
    return strategy::count_and_stream;
  else return strategy::sweeps;
}

}  // namespace basin::gpu
