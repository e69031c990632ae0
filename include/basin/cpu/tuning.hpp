// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <string_view>

#include "basin/core/element.hpp"
#include "basin/core/error.hpp"
#include "basin/core/simd.hpp"
#include "basin/core/view.hpp"

namespace basin::cpu {

/// How a call is cut into tiles and tasks. It changes speed and rounding, not the result in exact arithmetic; results
/// do not depend on the number of threads.
struct tuning {
  index_t keys_per_block = 128;  // keys read together: 128 keys x 48 queries x 4 bytes of scores stay in L1
  index_t keys_per_step = 32;    // keys for which a mask or pruner is evaluated at once, in partly visible blocks
  index_t panels_together = 8;          // query tiles that share each block of keys while it is in L2
  index_t panel_bytes = 1 << 20;  // scores read several times: they fit a 2 MiB L2 beside keys and values
  index_t kept_bytes =
      5 << 20;  // scores read once more: from L3, cheaper than reading keys and values once per tile
  index_t tasks = 16;                   // pieces that one head is cut into if there are fewer heads than this

  friend constexpr bool operator==(tuning const&, tuning const&) = default;

  /// The same for a call with this many keys, checked: no size exceeds what can matter, so no product below overflows.
  tuning for_call(std::string_view caller, index_t keys) const {
    validate(caller);
    constexpr index_t most_bytes = index_t{1} << 40, most = 1 << 20;
    index_t const whole = std::max<index_t>(128, (keys + 63) / 64 * 64);
    return {std::min(keys_per_block, whole), std::min(keys_per_step, whole), std::min(panels_together, most),
            std::min(panel_bytes, most_bytes), std::min(kept_bytes, most_bytes), std::min(tasks, most)};
  }
  void validate(std::string_view caller) const {
    if (keys_per_block < 1)
      throw value_error(
          message(caller, ": tuning.keys_per_block is ", keys_per_block, "; a block needs at least 1 key"));
    if (keys_per_step < 1)
      throw value_error(message(caller, ": tuning.keys_per_step is ", keys_per_step, "; a step needs at least 1 key"));
    if (panels_together < 1)
      throw value_error(message(caller, ": tuning.panels_together is ", panels_together, "; there must be at least 1"));
    if (panel_bytes < 1)
      throw value_error(message(caller, ": tuning.panel_bytes is ", panel_bytes, "; it must be at least 1 byte"));
    if (kept_bytes < 1)
      throw value_error(message(caller, ": tuning.kept_bytes is ", kept_bytes, "; it must be at least 1 byte"));
    if (tasks < 1) throw value_error(message(caller, ": tuning.tasks is ", tasks, "; there must be at least 1"));
  }
};

/// The number of SIMD vectors whose lanes hold the queries of one tile.
template <class T>
inline constexpr int panel_vectors = sizeof(simd<T>) >= 64 ? 3 : 2;

/// A product keeps tile_rows x Vectors accumulators in registers: 8 x 3 or 6 x 4 of 32 (AVX-512), 6 x 2 of 16 (AVX2).
/// Every load takes time from the multiply-adds, a vector load more than a scalar one, so small tiles are slower: on a
/// Sapphire Rapids core, 8 x 2 reached 0.80 of the speed without loads, 12 x 2 0.83, 8 x 3 and 6 x 4 0.87.
template <class T, int Vectors>
inline constexpr int tile_rows = std::min(12, (sizeof(simd<T>) >= 64 ? 24 : 12) / Vectors);

template <class T>
inline constexpr index_t lanes = static_cast<index_t>(simd<T>::size);

}  // namespace basin::cpu
