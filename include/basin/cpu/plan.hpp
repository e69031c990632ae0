// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>

#include "basin/attention.hpp"
#include "basin/concepts/observation.hpp"
#include "basin/core/problem.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu {

/// Whether the rows can be made in one sweep: they need no count of visible keys first. It does not depend on who
/// observes, as that must change no bit of the output.
template <class Attention>
inline constexpr bool one_sweep = takes_one_sweep<decltype(Attention::normalize)>;

/// How a forward call is worked.
enum class way {
  stream,           // blocks of keys pass by; terms of a block are used while they are in L1 and forgotten
  stream_and_keep,  // the same, and the terms stay for those who watch the keys: final weights need the final row
  whole_rows        // all scores of a panel first: any normalizer, however many sweeps it takes
};

/// The choice of the engine, from the policies and the shape alone; each way is exact.
struct forward_plan {
  way rows = way::stream;
  index_t kept_rows = 0;                // keys whose scores or terms a panel keeps
  index_t together = 1;                 // panels that share each block of keys

  friend constexpr bool operator==(forward_plan const&, forward_plan const&) = default;
};

/// More panels share a block of keys only while all they hold stays in a cache: a stream holds outputs and queries, the
/// others every score as well.
template <class T, class Attention>
constexpr forward_plan plan_forward(problem const& p, tuning const& cut) {
  using watch = observation<decltype(Attention::observe)>;
  constexpr index_t most = 16;
  index_t const whole_panel = p.keys * panel_vectors<T> * lanes<T> * static_cast<index_t>(sizeof(T));
  index_t const together = std::min(cut.panels_together, most);
  auto const fitting = [&](index_t bytes) { return std::clamp<index_t>(bytes / whole_panel, 1, together); };
  if (!one_sweep<Attention>) return {way::whole_rows, p.keys, fitting(cut.panel_bytes)};
  if (watch::key_values > 0 || watch::wants_whole_rows) {
    index_t const all = whole_panel + p.keys * (p.dim + p.value_dim) * static_cast<index_t>(sizeof(T));
    return {way::stream_and_keep, p.keys,
            2 * all <= 3 * cut.panel_bytes ? 1 : fitting(cut.kept_bytes)};  // within L2, or beyond it
  }
  return {way::stream, 0, together};
}

}  // namespace basin::cpu
