// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What the strategies of a forward call share: the arguments, the workspace of a thread, a query tile's pass over the
// keys, and the final step that writes its outputs.

#include <numeric>
#include <optional>

#include "basin/cpu/detail/tasks.hpp"
#include "basin/cpu/detail/tiles.hpp"
#include "basin/cpu/detail/weigh.hpp"
#include "basin/cpu/plan.hpp"

namespace basin::cpu::detail {

/// The arguments of forward(), checked.
template <class Attention, class Q, class K, class V, class Out>
struct forward_call {
  using attention_type = Attention;
  using watch_type = observation<decltype(Attention::observe)>;
  using T = compute_t<typename Q::value_type>;

  Attention const& use;
  watch_type watch;
  problem p;
  tuning cut;
  Q const &q;
  K const &k;
  V const &v;
  Out const &out;

  /// Whether products use matrix tiles: all operands are bf16, and blocks of keys start at tile boundaries.
  static constexpr auto may_use_tiles = tiles::compiled &&
                                        std::is_same_v<std::remove_const_t<typename Q::element_type>, bfloat16> &&
                                        std::is_same_v<std::remove_const_t<typename K::element_type>, bfloat16> &&
                                        std::is_same_v<std::remove_const_t<typename V::element_type>, bfloat16>;
  bool uses_tiles() const {
    return may_use_tiles && cut.keys_per_block % tiles::depth == 0 && cut.keys_per_step % tiles::depth == 0 &&
           tiles::ready();
  }

  forward_plan plan() const { return plan_forward<T, Attention>(p, cut); }
};

/// The number of query tiles from which a packed copy of a shared block of values pays.
inline constexpr index_t worth_packing = 2;

/// The workspace of a thread; one of [n] pieces for every query tile of a group.
template <class Call>
struct forward_buffers {
  using T = typename Call::T;
  using row_type = row_of<decltype(Call::attention_type::normalize), simd<T>>;
  static constexpr index_t width = panel_vectors<T> * lanes<T>;

  problem p;
  forward_plan plan;
  index_t most_blocks;
  bool by_tiles;                        // whether products use matrix tiles
  int levels;                           // sums that a tree over the keys holds
  T *queries, *outputs,
      *kept;  // [together] x [dim, width], [levels, value_dim, width], [kept_rows, width] scores
  T *scores, *terms;                    // of one tile: of a block, or of all keys for whole-row observers
  T* gathered;                          // [keys]: one row, if the normalizer needs the whole row
  T *keys, *values;                     // [keys_per_block, dim], if k and v cannot be read in place
  T* packed_values;                     // one block, if enough tiles share it
  key_block* blocks;                    // [together] x [most_blocks]
  row_type* rows_then;  // [together] x [most_blocks, panel_vectors]: the rows of the kept weights
  index_t* used;                        // [keys_per_block]
  bfloat16 *tiled_keys, *tiled_values, *tiled_terms;  // one block of each, if products use matrix tiles
  double *row_weights, *row_scores;     // [keys]: one whole row

  forward_buffers(workspace&& memory, Call const& call) : forward_buffers(memory, call) {}
  forward_buffers(workspace& memory, Call const& call)
      : p(call.p), plan(call.plan()), most_blocks(blocks_at_most(call.p, call.cut)), by_tiles(call.uses_tiles()),
        levels(levels_of_sum(call.p.keys, keys_per_part(call.cut))) {
    using tiles::depth, tiles::side, tiles::whole;
    index_t const n = plan.together, block = std::min(p.keys, call.cut.keys_per_block),
                  shown = Call::watch_type::wants_whole_rows ? p.keys : 0;
    queries = memory.take<T>(n * whole(p.dim, depth) * width);
    outputs = memory.take<T>(n * levels * output_size());
    kept = memory.take<T>(n * kept_size());
    scores = memory.take<T>((plan.rows == strategy::whole_rows ? 0 : whole(block, side)) * width);
    terms = memory.take<T>(shown * width);
    gathered = memory.take<T>(fits_scalar_rows<decltype(Call::attention_type::normalize)> ? p.keys : 0);
    keys = memory.take<T>(readable_in_place<T>(call.k) || by_tiles ? 0 : block * whole_vectors<T>(p.dim));
    values = memory.take<T>(
        readable_in_place<T>(call.v) ? 0 : whole(block, depth) * whole(p.value_dim, std::max(side, lanes<T>)));
    packed_values = memory.take<T>(n < worth_packing || by_tiles ? 0 : packed_columns<T>::size(block, p.value_dim));
    blocks = memory.take<key_block>(n * most_blocks);
    rows_then = memory.take<row_type>(plan.rows == strategy::stream_and_keep ? n * most_blocks * panel_vectors<T> : 0);
    used = memory.take<index_t>(block);
    row_weights = memory.take<double>(shown);
    row_scores = memory.take<double>(shown);
    index_t const tiled = by_tiles ? whole(block, depth) : 0;
    tiled_keys = memory.take<bfloat16>(tiled * whole(p.dim, depth));
    tiled_values = memory.take<bfloat16>(tiled * whole(p.value_dim, side));
    tiled_terms = memory.take<bfloat16>(tiled * width);
  }
  index_t query_size() const { return tiles::whole(p.dim, tiles::depth) * width; }
  index_t output_size() const { return tiles::whole(p.value_dim, tiles::side) * width; }
  index_t kept_size() const { return plan.kept_rows == 0 ? 0 : tiles::whole(plan.kept_rows, tiles::side) * width; }
};

/// What a query tile sums over the keys; Sum adds further state to `outputs` [value_dim, width].
struct output_sum {
  template <class Call, int Vectors>
  struct of {
    typename Call::T* outputs;
  };
};

/// A query tile and its position in the pass over the keys.
template <class Call, int Vectors, class Sum>
struct traveller {
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

  traveller(Call const& call, panel_at where, forward_buffers<Call> const& at, index_t n, double* totals_of_head)
      : tile(call.use, call.watch, call.p, where), queries(at.queries + n * at.query_size()),
        kept(at.kept + n * at.kept_size()),
        blocks(visible_blocks(call.use, call.p, where, call.cut, at.blocks + n * at.most_blocks, 0, call.p.keys)),
        rows_then(at.rows_then + n * at.most_blocks * panel_vectors<T>), totals(totals_of_head) {
    if constexpr (Call::may_use_tiles) {
      if (at.by_tiles) tiles::pack_queries<Vectors>(call.q, where, tiled_queries());
    }
    if (!at.by_tiles) pack_lanes(call.q, where, tile.width, tile.packed_factor(), queries);
    for (int level = 0; level < at.levels; ++level) {
      sums.level(level) = sum_type{};
      sums.level(level).outputs = at.outputs + (n * at.levels + level) * at.output_size();
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

/// Prefetches what a product reads next: the rows of its next tile, into L1; and the following block of keys, into L2.
/// Every query tile of the group prefetches its share of that block, a little before each tile.
template <class T>
struct next_rows {
  row_block<T> from;
  index_t count = 0, dim = 0;
  index_t panel = 0, panels = 1;

  next_rows of_panel(index_t n, index_t all) const { return {from, count, dim, n, all}; }
  /// Called before the tile at row `at` of `rows`; if `here` is set, these are the rows of the product.
  auto during(index_t rows, row_block<T> here = {}) const {
    return [this, rows, here](index_t at) {
      constexpr index_t line = 64 / static_cast<index_t>(sizeof(T)), tile = tile_rows<T, panel_vectors<T>>;
      auto const bound = [&](index_t done) { return count * (panel * rows + std::min(done, rows)) / (panels * rows); };
      for (index_t r = bound(at), end = bound(at + tile); r < end; ++r)
        for (index_t d = 0; d < dim; d += line) BASIN_PREFETCH(from.row(r) + d, 2);
      if (here.start != nullptr)
        for (index_t r = at + tile; r < std::min(at + 2 * tile, rows); ++r)
          for (index_t d = 0; d < dim; d += line) BASIN_PREFETCH(here.row(r) + d, 3);
    };
  }
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
key_rows<typename Call::T> read_keys(Call const& call, run_at run, forward_buffers<Call> const& at, index_t first,
                                     index_t count, index_t next) {
  using T = typename Call::T;
  int const b = static_cast<int>(run.batch);
  key_rows<T> rows;
  rows.first = first;
  if constexpr (Call::may_use_tiles)
    if (at.by_tiles) {
      if constexpr (What != reads::values)
        rows.tiled = tiles::read_keys(call.k, b, run.kv_head, first, count, at.tiled_keys);
      if constexpr (What != reads::keys)
        tiles::pack_values(call.v, b, run.kv_head, first, count, at.tiled_values, rows.tiled);
      rows.tiled_terms = at.tiled_terms;
      return rows;
    }
  if constexpr (What != reads::values) {
    rows.keys = rows_of<T>(call.k, b, run.kv_head, first, count, at.keys);
    if (readable_in_place<T>(call.k)) rows.next_keys = {rows.keys.from(count), next, call.p.dim};
  }
  if constexpr (What != reads::keys) {
    rows.values = rows_of<T>(call.v, b, run.kv_head, first, count, at.values);
    if (run.count >= worth_packing)
      rows.packed_values = pack_columns(rows.values, count, call.p.value_dim, at.packed_values);
    if (readable_in_place<T>(call.v)) rows.next_values = {rows.values.from(count), next, call.p.value_dim};
  }
  return rows;
}

/// Visits the keys block by block; calls meet(traveller, blocks, rows) for every query tile to which part of the block
/// is visible. `blocks` are those parts, and rows.of(part) gives the keys of each. A block is always processed as a
/// whole, however a mask divides it: hidden keys change no bit.
template <reads What, class Call, class Panels, class Meet>
void over_keys(Call const& call, run_at run, Panels& panels, forward_buffers<Call> const& at, Meet const& meet) {
  using T = typename Call::T;
  auto const& p = call.p;
  for (index_t first = 0; first < p.keys; first += call.cut.keys_per_block) {
    index_t const end = std::min(p.keys, first + call.cut.keys_per_block),
                  after = std::min(p.keys, end + call.cut.keys_per_block);
    auto const meets = [&](index_t n) {
      auto const& a = *panels[static_cast<std::size_t>(n)];
      return a.next < a.blocks.size() && a.blocks[a.next].first < end;
    };
    auto any_visible = false;
    for (index_t n = 0; n < run.count; ++n) any_visible |= meets(n);
    if (!any_visible) continue;
    key_rows<T> const rows = read_keys<What>(call, run, at, first, end - first, after - end);
    for (index_t n = 0; n < run.count; ++n) {
      auto& panel = *panels[static_cast<std::size_t>(n)];
      auto const from = panel.next;
      while (meets(n)) ++panel.next;
      if (panel.next > from) meet(panel, panel.blocks.subspan(from, panel.next - from), rows.for_panel(n, run.count));
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

/// Whether 0 times a value must be 0 in this block: the block is partly hidden and holds a NaN or an infinity.
template <class Call, class T>
bool zeros_must_win(Call const& call, panel_at where, key_block block, key_rows<T> const& rows,
                    forward_buffers<Call> const& at, row_block<T>& values) {
  if (block.seen != coverage::some) return false;
  values = at.by_tiles
               ? rows_of<T>(call.v, where.batch, call.p.kv_head(where.head), block.first, block.count, at.values)
               : rows.values;
  return !all_finite(values.start, values.step, block.count, call.p.value_dim);
}

/// The same with matrix tiles, if 0 times anything must be 0: the product uses 0 for every NaN and infinity, so the
/// queries from which they are hidden keep their bits, and each is then added for the queries to which it is visible.
template <class Call, class Panel, class T>
void mix_around(Call const& call, Panel& panel, key_block block, T const* weights, forward_buffers<Call> const& at) {
  constexpr index_t width = Panel::panel_type::width;
  constexpr int vectors = static_cast<int>(width / lanes<T>);
  index_t const dim = call.p.value_dim;
  auto const* const values = &call.v(panel.tile.at.batch, call.p.kv_head(panel.tile.at.head), block.first, 0);
  auto const value = [&](index_t r, index_t d) { return values[r * call.v.stride(2) + d * call.v.stride(3)]; };
  auto* const finite = reinterpret_cast<bfloat16*>(at.values);
  for (index_t r = 0; r < block.count; ++r)
    for (index_t d = 0; d < dim; ++d)
      finite[r * dim + d] = std::isfinite(static_cast<float>(value(r, d))) ? value(r, d) : bfloat16{};
  tiles::block tiled;
  tiles::pack_values(contiguous(static_cast<bfloat16 const*>(finite), 1, 1, block.count, dim), 0, 0, 0, block.count,
                     finite + block.count * dim, tiled);
  tiles::pack_terms<vectors>(weights, block.count, at.tiled_terms);
  tiles::mix<vectors>(tiled, block.count, dim, at.tiled_terms, panel.outputs());
  for (index_t r = 0; r < block.count; ++r)
    for (index_t d = 0; d < dim; ++d)
      if (T const x = static_cast<T>(value(r, d)); !std::isfinite(x))
        for (index_t lane = 0; lane < width; ++lane)
          if (!(weights[r * width + lane] == T(0))) panel.outputs()[d * width + lane] += weights[r * width + lane] * x;
}

/// o_i += weights of one block times its values.
template <class Call, class Panel, class T, class Terms>
void mix_values(Call const& call, Panel& panel, key_block block, T const* weights, key_rows<T> const& rows, Terms terms,
                forward_buffers<Call> const& at) {
  constexpr index_t width = Panel::panel_type::width;
  constexpr int vectors = static_cast<int>(width / lanes<T>);
  index_t const dim = call.p.value_dim;
  if (row_block<T> values; zeros_must_win(call, panel.tile.at, block, rows, at, values)) {
    if constexpr (Call::may_use_tiles)
      if (at.by_tiles) return mix_around(call, panel, block, weights, at);
    return zero_wins_product(values.start, 1, values.step, dim, block.count, weights, width, panel.outputs());
  }
  if constexpr (Call::may_use_tiles)
    if (at.by_tiles) {
      tiles::pack_terms<vectors>(weights, block.count, rows.tiled_terms);
      return tiles::mix<vectors>(rows.tiled, block.count, dim, rows.tiled_terms, panel.outputs());
    }
  if (rows.packed_values.start != nullptr)
    return packed_product<vectors, into::added>(rows.packed_values, dim, terms, weights, width, panel.outputs(), width,
                                                rows.next_values.during(dim));
  product<vectors, into::added>(rows.values.start, unit_step{}, rows.values.step, dim, terms, weights, width,
                                panel.outputs(), width, rows.next_values.during(dim));
}

}  // namespace basin::cpu::detail
