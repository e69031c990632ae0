// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How panels are shared among threads. The panels of a range share each block of keys. What is summed over panels
// (received attention, gradients of keys) is summed in pieces that depend on the shape alone, each piece in order by
// one thread, and the pieces in order: the same bits for any number of threads.

#include <algorithm>
#include <array>
#include <vector>

#include "basin/concepts/observation.hpp"
#include "basin/cpu/detail/lanes.hpp"
#include "basin/cpu/detail/parallel.hpp"
#include "basin/cpu/detail/workspace.hpp"

namespace basin::cpu::detail {

/// Consecutive query tiles of the query heads that share one key head; all of them narrow (one vector of queries) or
/// none.
struct panel_range {
  index_t batch = 0, kv_head = 0;
  index_t first = 0, count = 0;
  bool narrow = false;
};

/// How the queries of a head are divided: full tiles first, then narrow ones. By default only a remainder that fits one
/// vector is narrow.
struct panel_cuts {
  index_t width, lane_count;
  index_t wide, narrow;                                          // tiles a head
  index_t group;                                                 // query heads per key head

  template <class T>
  static panel_cuts of(problem const& p, T) {
    index_t const width = panel_vectors<T> * lanes<T>, left = p.queries % width;
    index_t const narrow = left > 0 && left <= lanes<T> ? 1 : 0;
    return {width, lanes<T>, (p.queries + width - 1) / width - narrow, narrow, p.heads / p.kv_heads};
  }
  /// Query tile n of a group.
  panel_at at(problem const& p, panel_range range, index_t n) const {
    index_t const panel = range.first + n, a_head = range.narrow ? narrow : wide;
    index_t const most = range.narrow ? lane_count : width,
                  first = (range.narrow ? wide * width : 0) + panel % a_head * most;
    return {static_cast<int>(range.batch), static_cast<int>(range.kv_head * group + panel / a_head), first,
            std::min(most, p.queries - first)};
  }
  /// Query tiles of the query heads of a key head, ordered by query first.
  index_t panels() const { return (wide + narrow) * group; }
  panel_range by_queries(index_t batch, index_t kv_head, index_t n) const {
    index_t const member = n % group, at_queries = n / group;
    return {batch, kv_head, at_queries < wide ? member * wide + at_queries : member * narrow + at_queries - wide, 1,
            at_queries >= wide};
  }
};

/// Divides `total` into `pieces`; piece n is [bound(n), bound(n + 1)).
struct pieces_of {
  index_t total, pieces;
  constexpr index_t bound(index_t n) const { return total * n / pieces; }
};

/// Calls f(panel_range) for all query tiles [first, last) of one kind of a key head, at most `together` at a time.
template <class F>
void in_ranges(panel_range all, index_t together, F const& f) {
  for (index_t n = 0; n < all.count; n += together)
    f(panel_range{all.batch, all.kv_head, all.first + n, std::min(together, all.count - n), all.narrow});
}

/// Calls f(panel_range) for every query tile of the call, from many threads. The last queries come first, because a
/// causal mask makes the most keys visible to them.
template <class F>
void over_ranges(problem const& p, panel_cuts const& cuts, index_t together, F const& f) {
  index_t const wide = cuts.wide * cuts.group, narrow = cuts.narrow * cuts.group, heads = p.batch * p.kv_heads;
  index_t const enough = threads_here() > 1 ? 8 * threads_here() : 1;  // enough groups for a balanced end
  index_t const size = std::clamp<index_t>(wide * heads / enough, 1, together);
  index_t const wide_ranges = (wide + size - 1) / size, a_head = wide_ranges + (narrow > 0 ? 1 : 0);
  over_tasks(heads * a_head, [&](index_t task) {
    index_t const head = task / a_head, n = wide_ranges - 1 - task % a_head;
    panel_range const all{head / p.kv_heads, head % p.kv_heads, n < 0 ? 0 : n * size,
                          n < 0 ? narrow : std::min(size, wide - n * size), n < 0};
    in_ranges(all, together, f);
  });
}

/// The numbers stored for each key: one an observer, and the count of queries that see it, if an observer uses it.
template <class Watch>
inline constexpr std::size_t numbers_per_key = Watch::key_values + (Watch::counts_queries ? 1 : 0);

template <class Watch>
void tell_keys(Watch const& watch, problem const& p, int b, int h, double const* totals, index_t pieces) {
  constexpr std::size_t count = numbers_per_key<Watch>;
  for (index_t j = 0; j < p.keys; ++j) {
    std::array<double, count> sum{};
    for (index_t piece = 0; piece < pieces; ++piece)
      for (std::size_t n = 0; n < count; ++n)
        sum[n] += totals[static_cast<std::size_t>(piece * p.keys + j) * count + n];
    cuda::std::array<double, Watch::key_values> given;
    std::copy_n(sum.begin(), given.size(), given.begin());
    watch.sees_key({b, h, j}, given, sum.back());
  }
}

/// Calls f(panel_range, totals) for every query tile of the call, and passes the totals of each key of every query head
/// to the key observers.
template <class Watch, class F>
void over_watched_ranges(problem const& p, panel_cuts const& cuts, index_t together, tuning const& cut,
                         Watch const& watch, F const& f) {
  index_t const heads = p.batch * p.heads, panels = cuts.wide + cuts.narrow;
  pieces_of const parts{panels, std::min(panels, std::max<index_t>(1, cut.tasks / heads))};
  std::size_t const piece_size = static_cast<std::size_t>(p.keys) * numbers_per_key<Watch>;
  index_t const in_flight = std::max<index_t>(1, cut.tasks / parts.pieces);         // heads, to bound the memory
  std::vector<double> totals(piece_size * static_cast<std::size_t>(std::min(heads, in_flight) * parts.pieces));
  for (index_t first = 0; first < heads; first += in_flight) {
    index_t const count = std::min(in_flight, heads - first);
    std::fill(totals.begin(), totals.end(), 0.0);
    over_tasks(count * parts.pieces, [&](index_t task) {
      index_t const h = (first + task / parts.pieces) % p.heads, b = (first + task / parts.pieces) / p.heads,
                    piece = task % parts.pieces;
      index_t const from = parts.bound(piece), to = parts.bound(piece + 1), wide_to = std::min(to, cuts.wide);
      auto const mine = [&](panel_range part) { f(part, totals.data() + piece_size * static_cast<std::size_t>(task)); };
      if (from < wide_to)
        in_ranges({b, h / cuts.group, h % cuts.group * cuts.wide + from, wide_to - from, false}, together, mine);
      if (to > cuts.wide) mine({b, h / cuts.group, h % cuts.group, 1, true});
    });
    over_tasks(count, [&](index_t n) {
      tell_keys(watch, p, static_cast<int>((first + n) / p.heads), static_cast<int>((first + n) % p.heads),
                totals.data() + piece_size * static_cast<std::size_t>(n * parts.pieces), parts.pieces);
    });
  }
}

}  // namespace basin::cpu::detail
