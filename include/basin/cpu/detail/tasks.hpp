// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How panels are shared among threads. What is summed over panels (received attention, gradients of keys) is summed in
// pieces that depend on the shape alone, each piece in order by one thread, and the pieces in order: the same bits for any
// number of threads.

#include <algorithm>
#include <array>
#include <vector>

#include "basin/concepts/observation.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

/// Cuts `panels` into `pieces` runs; piece n is [bounds(n), bounds(n + 1)).
struct pieces_of {
  index panels, pieces;
  constexpr index bound(index n) const { return panels * n / pieces; }
};

/// The numbers that are kept for each key: one an observer, and how many queries can see it where somebody asks.
template <class Watch>
inline constexpr std::size_t numbers_per_key = Watch::key_values + (Watch::counts_queries ? 1 : 0);

template <class Watch>
void tell_keys(Watch const& watch, problem const& p, int b, int h, double const* totals, index pieces) {
  constexpr std::size_t count = numbers_per_key<Watch>;
  for (index j = 0; j < p.keys; ++j) {
    std::array<double, count> sum{};
    for (index piece = 0; piece < pieces; ++piece)
      for (std::size_t n = 0; n < count; ++n) sum[n] += totals[static_cast<std::size_t>(piece * p.keys + j) * count + n];
    std::array<double, Watch::key_values> given;
    std::copy_n(sum.begin(), given.size(), given.begin());
    watch.sees_key({b, h, j}, given, sum.back());
  }
}

/// Calls run(batch, head, panel, totals) for every panel of every head, and tells key observers the totals of each key.
template <class Watch, class Run>
void over_heads(problem const& p, index panels, tuning const& cut, Watch const& watch, Run const& run) {
  index const heads = p.batch * p.heads;
  if constexpr (Watch::key_values == 0) {
#pragma omp parallel for schedule(dynamic, 1)
    for (index task = 0; task < heads * panels; ++task) {
      index const head = task / panels;
      run(static_cast<int>(head / p.heads), static_cast<int>(head % p.heads), task % panels, nullptr);
    }
  } else {
    pieces_of const cuts{panels, std::min(panels, std::max<index>(1, cut.tasks / heads))};
    std::size_t const piece_size = static_cast<std::size_t>(p.keys) * numbers_per_key<Watch>;
    index const together = std::max<index>(1, cut.tasks / cuts.pieces);            // heads in flight, so that memory stays small
    std::vector<double> totals(piece_size * static_cast<std::size_t>(together * cuts.pieces));
    for (index first = 0; first < heads; first += together) {
      index const count = std::min(together, heads - first);
      std::fill(totals.begin(), totals.end(), 0.0);
#pragma omp parallel for schedule(dynamic, 1)
      for (index task = 0; task < count * cuts.pieces; ++task) {
        index const head = first + task / cuts.pieces, piece = task % cuts.pieces;
        for (index n = cuts.bound(piece); n < cuts.bound(piece + 1); ++n)
          run(static_cast<int>(head / p.heads), static_cast<int>(head % p.heads), n, totals.data() + piece_size * static_cast<std::size_t>(task));
      }
#pragma omp parallel for schedule(static)
      for (index n = 0; n < count; ++n)
        tell_keys(watch, p, static_cast<int>((first + n) / p.heads), static_cast<int>((first + n) % p.heads),
                  totals.data() + piece_size * static_cast<std::size_t>(n * cuts.pieces), cuts.pieces);
    }
  }
}

}  // namespace basin::cpu::detail
