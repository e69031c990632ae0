// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>

#include "basin/cpu/detail/forward_call.hpp"
#include "basin/cpu/detail/weigh.hpp"

namespace basin::cpu::detail {

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

}  // namespace basin::cpu::detail
