// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>

#include "basin/attention.hpp"
#include "basin/concepts/observation.hpp"
#include "basin/core/problem.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu {

/// Whether one pass makes the rows: they do not need the number of visible keys first. It is independent of the
/// observers, because observers must not change a bit of the output.
template <class Attention>
inline constexpr bool one_sweep = takes_one_sweep<decltype(Attention::normalize)>;

/// The strategy of a forward call.
enum class strategy {
  stream,           // one pass over the blocks of keys; the scores of a block are used while in L1, then dropped
  stream_and_keep,  // the same, but unnormalised weights are kept for key observers, which need the final rows
  whole_rows        // all scores of a query tile first: any normalizer, with any number of passes
};

/// The strategy that the engine chooses from the policies and the shape alone; all of them are exact.
struct forward_plan {
  strategy rows = strategy::stream;
  index_t kept_rows = 0;                // keys whose scores or unnormalised weights a query tile keeps
  index_t together = 1;                 // query tiles that share each block of keys

  friend constexpr bool operator==(forward_plan const&, forward_plan const&) = default;
};

/// More query tiles share a block of keys only while all that they hold stays in a cache: the streaming strategy holds
/// outputs and queries, the others all scores as well.
template <class T, class Attention>
constexpr forward_plan plan_forward(problem const& p, tuning const& cut) {
  using watch = observation<decltype(Attention::observe)>;
  constexpr index_t most = 16;
  index_t const whole_panel = p.keys * panel_vectors<T> * lanes<T> * static_cast<index_t>(sizeof(T));
  index_t const together = std::min(cut.panels_together, most);
  auto const fitting = [&](index_t bytes) { return std::clamp<index_t>(bytes / whole_panel, 1, together); };
  if (!one_sweep<Attention>) return {strategy::whole_rows, p.keys, fitting(cut.panel_bytes)};
  if (watch::key_values > 0 || watch::wants_whole_rows) {
    index_t const all = whole_panel + p.keys * (p.dim + p.value_dim) * static_cast<index_t>(sizeof(T));
    return {strategy::stream_and_keep, p.keys,
            2 * all <= 3 * cut.panel_bytes ? 1 : fitting(cut.kept_bytes)};  // within L2, or beyond it
  }
  return {strategy::stream, 0, together};
}

}  // namespace basin::cpu
