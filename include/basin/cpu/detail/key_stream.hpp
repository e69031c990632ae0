// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A pass over the keys: one block after another is read, and processed by every query tile of a range.

#include <algorithm>
#include <span>

#include "basin/cpu/detail/forward_buffers.hpp"
#include "basin/cpu/detail/next_rows.hpp"
#include "basin/cpu/detail/sum_tree.hpp"
#include "basin/cpu/detail/tasks.hpp"

namespace basin::cpu::detail {

/// What a query tile sums over the keys; Sum adds further state to `outputs` [value_dim, width].
struct output_sum {
  template <class Call, int Vectors>
  struct of {
    typename Call::T* outputs;
  };
};

/// A query tile and its position in the pass over the keys.
template <class Call, int Vectors, class Sum>
struct panel_pass {
  using T = typename Call::T;
  using panel_type = panel<T, Vectors, typename Call::attention_type>;
  using sum_type = typename Sum::template of<Call, Vectors>;
  using row_type = typename forward_buffers<Call>::row_type;
  static constexpr auto may_use_tiles = Call::may_use_tiles;

  panel_type tile;
  sum_tree<sum_type> sums{sum_type{}};
  T *queries, *kept;
  std::span<key_block const> blocks;
  row_type* rows_then;
  double* totals;                                                // of its head; nullptr without key observers
  std::size_t next = 0;                                          // the first block that has not been processed

  panel_pass(Call const& call, panel_at where, forward_buffers<Call> const& buffers, index_t n, double* totals_of_head)
      : tile(call.use, call.watch, call.p, where), queries(buffers.queries + n * buffers.query_size()),
        kept(buffers.kept + n * buffers.kept_size()),
        blocks(visible_blocks(call.use, call.p, where, call.cut, buffers.blocks + n * buffers.most_blocks, 0,
                              call.p.keys)),
        rows_then(buffers.rows_then + n * buffers.most_blocks * panel_vectors<T>), totals(totals_of_head) {
    if constexpr (Call::may_use_tiles) {
      if (buffers.by_tiles) tiles::pack_queries<Vectors>(call.q, where, tiled_queries());
    }
    if (!buffers.by_tiles) pack_lanes(call.q, where, tile.width, tile.packed_factor(), queries);
    for (int level = 0; level < buffers.levels; ++level) {
      sums.level(level) = sum_type{};
      sums.level(level).outputs = buffers.outputs + (n * buffers.levels + level) * buffers.output_size();
      std::fill_n(sums.level(level).outputs, tiles::whole(call.p.value_dim, tiles::side) * tile.width, T(0));
    }
    if constexpr (Call::watch_type::counts_queries)
      if (totals != nullptr)
        tile.count_from(totals + Call::watch_type::key_values,
                       static_cast<index_t>(numbers_per_key<typename Call::watch_type>));
  }
  T* outputs() { return sums.open().outputs; }
  bfloat16* tiled_queries() const { return reinterpret_cast<bfloat16*>(queries); }
  index_t rows() const { return blocks.empty() ? 0 : blocks.back().row + blocks.back().count; }
};

/// What a pass over the keys reads.
enum class reads { keys, values, both };

/// One block of keys: its rows of k and v, and those of the next block.
template <class T>
struct key_rows {
  index_t first = 0;                                             // the first key
  row_block<T> keys, values;
  packed_columns<T> packed_values;                               // the same values, if packing pays
  next_rows<T> next_keys, next_values;
  tiles::block tiled;                                            // instead of keys and values, with matrix tiles
  bfloat16* tiled_terms = nullptr;

  /// The rows of a part of the block.
  key_rows of(key_block part) const {
    index_t const skip = part.first - first;
    return {part.first, keys.from(skip), values.from(skip), packed_values.from(skip),
            next_keys,  next_values,     tiled.from(skip),  tiled_terms};
  }
  key_rows for_panel(index_t panel, index_t panels) const {
    return {first,
            keys,
            values,
            packed_values,
            next_keys.of_panel(panel, panels),
            next_values.of_panel(panel, panels),
            tiled,
            tiled_terms};
  }
};

/// Reads keys [first, first + count) for a group of query tiles; `next` is the number of keys in the block after them.
template <reads What, class Call>
key_rows<typename Call::T> read_keys(Call const& call, panel_range range, forward_buffers<Call> const& buffers,
                                     index_t first, index_t count, index_t next) {
  using T = typename Call::T;
  int const b = static_cast<int>(range.batch);
  key_rows<T> rows;
  rows.first = first;
  if constexpr (Call::may_use_tiles)
    if (buffers.by_tiles) {
      if constexpr (What != reads::values)
        rows.tiled = tiles::read_keys(call.k, b, range.kv_head, first, count, buffers.tiled_keys);
      if constexpr (What != reads::keys)
        tiles::pack_values(call.v, b, range.kv_head, first, count, buffers.tiled_values, rows.tiled);
      rows.tiled_terms = buffers.tiled_terms;
      return rows;
    }
  if constexpr (What != reads::values) {
    rows.keys = rows_of<T>(call.k, b, range.kv_head, first, count, buffers.keys);
    if (readable_in_place<T>(call.k)) rows.next_keys = {rows.keys.from(count), next, call.p.dim};
  }
  if constexpr (What != reads::keys) {
    rows.values = rows_of<T>(call.v, b, range.kv_head, first, count, buffers.values);
    if (range.count >= worth_packing)
      rows.packed_values = pack_columns(rows.values, count, call.p.value_dim, buffers.packed_values);
    if (readable_in_place<T>(call.v)) rows.next_values = {rows.values.from(count), next, call.p.value_dim};
  }
  return rows;
}

/// Visits the keys block by block; calls f(panel_pass, blocks, rows) for every query tile to which part of the block
/// is visible. `blocks` are those parts, and rows.of(part) gives the keys of each. A block is always processed as a
/// whole, however a mask divides it: hidden keys change no bit.
template <reads What, class Call, class Panels, class F>
void over_keys(Call const& call, panel_range range, Panels& panels, forward_buffers<Call> const& buffers, F const& f) {
  using T = typename Call::T;
  auto const& p = call.p;
  for (index_t first = 0; first < p.keys; first += call.cut.keys_per_block) {
    index_t const end = std::min(p.keys, first + call.cut.keys_per_block),
                  after = std::min(p.keys, end + call.cut.keys_per_block);
    auto const reads_block = [&](index_t n) {
      auto const& a = *panels[static_cast<std::size_t>(n)];
      return a.next < a.blocks.size() && a.blocks[a.next].first < end;
    };
    auto any_visible = false;
    for (index_t n = 0; n < range.count; ++n) any_visible |= reads_block(n);
    if (!any_visible) continue;
    key_rows<T> const rows = read_keys<What>(call, range, buffers, first, end - first, after - end);
    for (index_t n = 0; n < range.count; ++n) {
      auto& panel = *panels[static_cast<std::size_t>(n)];
      auto const from = panel.next;
      while (reads_block(n)) ++panel.next;
      if (panel.next > from) f(panel, panel.blocks.subspan(from, panel.next - from), rows.for_panel(n, range.count));
    }
  }
}

/// Computes s_ij of one block before masking, into `scores`, and calls sees(v, scores) with all of them if
/// score_block() permits it.
template <class Panel, class T, class Sees = unseen>
void make_scores(Panel const& panel, key_block block, key_rows<T> const& rows, T* scores, Sees const& sees = {}) {
  auto const& tile = panel.tile;
  constexpr int vectors = static_cast<int>(Panel::panel_type::width / lanes<T>);
  if constexpr (Panel::may_use_tiles)
    if (rows.tiled.keys != nullptr) {
      tiles::multiply<vectors>(rows.tiled, block.count, tile.p.dim, panel.tiled_queries(), scores);
      for (int v = 0; v < vectors; ++v)
        for (index_t n = v * lanes<T>; n < block.count * tile.width; n += tile.width) {
          simd<T> const s = simd<T>(tile.packed_factor()) * simd<T>::load_aligned(scores + n);
          sees(v, s);
          s.store_aligned(scores + n);
        }
      return tile.score(block, scores, scores);
    }
  tile.multiply(rows.keys, block.count, panel.queries, scores, rows.next_keys.during(block.count, rows.keys), sees);
  tile.score(block, scores, scores);
}

}  // namespace basin::cpu::detail
