// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Gradients of keys and values: summed over the panels of all query heads that read them. Panels are dealt out to pieces, as many as
// the shape says; each thread sums a piece in memory of its own, and the pieces of a head are added in order, block of keys by
// block of keys, each as soon as the one before has passed. So the bits do not depend on the number of threads.

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "basin/cpu/detail/tasks.hpp"

namespace basin::cpu::detail {

/// Sums of one piece for one key head, rows padded to whole vectors.
template <class T>
struct key_gradients {
  T *keys, *values;
  index_t key_columns, value_columns;
  T* key(index_t row) const { return keys + row * key_columns; }
  T* value(index_t row) const { return values + row * value_columns; }
};

/// How the panels of a key head are dealt out: panel n belongs to piece n modulo `pieces`, so that every piece has early and late
/// queries.
struct dealt {
  index_t panels, pieces;
  static dealt of(problem const& p, panel_cuts const& cuts, tuning const& cut) {
    index_t const panels = (cuts.wide + cuts.narrow) * cuts.group;
    return {panels, std::clamp<index_t>((cut.tasks + 1) / 2 / (p.batch * p.kv_heads), 1, panels)};
  }
};

/// Adds up the pieces of all key heads and writes dk and dv.
template <class T, class DK, class DV>
class ordered_sums {
 public:
  ordered_sums(problem const& call, dealt const& d, tuning const& cut, T factor_of_keys, DK const& dkeys, DV const& dvalues)
      : p(call), pieces(d.pieces), block(cut.keys_per_block), key_factor(factor_of_keys), dk(dkeys), dv(dvalues),
        blocks((p.keys + block - 1) / block), columns(whole_vectors<T>(p.dim) + whole_vectors<T>(p.value_dim)),
        passed(pieces > 1 ? new std::atomic<index_t>[static_cast<std::size_t>(p.batch * p.kv_heads * blocks)]() : nullptr),
        totals(pieces > 1 ? static_cast<std::size_t>(p.batch * p.kv_heads * p.keys * columns) : 0) {}

  /// Adds what piece `piece` of a key head has summed up; the last one writes.
  void add(index_t head, index_t piece, key_gradients<T> sums) {
    for (index_t n = 0; n < blocks; ++n) {
      index_t const first = n * block, count = std::min(block, p.keys - first);
      if (pieces > 1) wait_for(head * blocks + n, piece);
      add_rows(head, piece, first, count, sums.key(first), sums.key_columns, 0, key_factor, dk);
      add_rows(head, piece, first, count, sums.value(first), sums.value_columns, sums.key_columns, T(1), dv);
      if (pieces > 1) passed[static_cast<std::size_t>(head * blocks + n)].store(piece + 1, std::memory_order_release);
    }
  }

 private:
  void wait_for(index_t at, index_t piece) const {
    while (passed[static_cast<std::size_t>(at)].load(std::memory_order_acquire) != piece) std::this_thread::yield();
  }
  /// One part of what a piece has summed, keys or values, into the totals of its head.
  template <class View>
  void add_rows(index_t head, index_t piece, index_t first, index_t count, T const* from, index_t step, index_t column, T factor, View const& to) {
    index_t const b = head / p.kv_heads, kv = head % p.kv_heads;
    for (index_t r = 0; r < count; ++r) {
      T const* const mine = from + r * step;
      T* const total = pieces > 1 ? totals.data() + (head * p.keys + first + r) * columns + column : nullptr;
      if (pieces > 1 && piece == 0) std::copy_n(mine, step, total);
      for (index_t d = 0; d < (piece > 0 ? step : 0); ++d) total[d] += mine[d];
      if (piece + 1 < pieces) continue;
      T const* const all = pieces > 1 ? total : mine;
      for (index_t d = 0; d < to.extent(3); ++d) to(b, kv, first + r, d) = static_cast<typename View::value_type>(factor * all[d]);
    }
  }

  problem p;
  index_t pieces, block;
  T key_factor;
  DK const& dk;
  DV const& dv;
  index_t blocks, columns;
  std::unique_ptr<std::atomic<index_t>[]> passed;                // how many pieces have added to a block of keys of a head
  std::vector<T> totals;
};

/// Calls run(panel_at, narrow, piece, sums) for every panel of every key head, and writes dk and dv.
template <class T, class DK, class DV, class Run>
void over_key_heads(problem const& p, panel_cuts const& cuts, tuning const& cut, T key_factor, DK const& dk, DV const& dv, Run const& run) {
  index_t const heads = p.batch * p.kv_heads, key_columns = whole_vectors<T>(p.dim), value_columns = whole_vectors<T>(p.value_dim);
  auto const parts = dealt::of(p, cuts, cut);
  ordered_sums<T, DK, DV> totals(p, parts, cut, key_factor, dk, dv);
  workspaces const memory([&](workspace& w) { w.take<T>(p.keys * (key_columns + value_columns)); });
#pragma omp parallel for schedule(monotonic : dynamic, 1)
  for (index_t task = 0; task < heads * parts.pieces; ++task) {
    index_t const head = task / parts.pieces, piece = task % parts.pieces, wide = cuts.wide * cuts.group;
    T* const mine = memory.mine().template take<T>(p.keys * (key_columns + value_columns));
    std::fill_n(mine, p.keys * (key_columns + value_columns), T(0));
    key_gradients<T> const sums{mine, mine + p.keys * key_columns, key_columns, value_columns};
    for (index_t n = piece; n < parts.panels; n += parts.pieces) {
      run_at const at{head / p.kv_heads, head % p.kv_heads, n < wide ? n : n - wide, 1, n >= wide};
      run(cuts.at(p, at, 0), at.narrow, piece, sums);
    }
    totals.add(head, piece, sums);
  }
}

}  // namespace basin::cpu::detail
