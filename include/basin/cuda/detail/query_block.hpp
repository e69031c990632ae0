// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A block of queries and its rows: sweeps over the keys, tile by tile, S = Q K^T, and the stages that make a row (count, measure,
// search, sum). What forward and backward passes share.

#include "basin/cuda/detail/call.hpp"

namespace basin::gpu::detail {

/// What a sweep is for: to count the keys that a row sees, for scores, or for what is made with values as well.
enum class sweep { counts, scores, values };

template <class M, class Call>
struct query_block {
  using E = typename Call::element;
  using N = typename Call::normalizer_type;
  using row_type = row_of<N, float>;
  using tile_type = typename Call::tile_type;
  using scores_type = typename Call::scores_type;
  static constexpr int columns = Call::cut.columns;

  M const& m;
  Call const& c;
  rows_of_block rows;
  index keys_of_sequence, first_key = 0, last_key;               // the keys that this block meets: all, unless they are split
  row_of_lane mine[2];                                           // rows g and g + 8 of the warp's sixteen, g = lane / 4
  bool here[2] = {};                                             // whether there is a query
  float visible[2] = {};
  row_type row[2];

  BASIN_DEVICE query_block(M const& machine, Call const& call, index block) : m(machine), c(call) {
    index const all = c.p.queries * c.group(), blocks = (all + Call::rows - 1) / Call::rows;
    index const head = block / blocks, tile = blocks - 1 - block % blocks;               // the last queries, who may see most, first
    rows = {static_cast<int>(head / c.p.kv_heads), head % c.p.kv_heads, tile * Call::rows, 0, c.group()};
    rows.count = all - rows.first < Call::rows ? all - rows.first : Call::rows;
    keys_of_sequence = last_key = length_of(c.k, rows.batch);
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      index const n = first_row_of_warp() + m.thread() % 32 / 4 + 8 * i;
      here[i] = n < rows.count;
      if (here[i]) mine[i] = row_of_lane::of(rows.batch, rows.head(n), rows.query(n), c.p.queries, keys_of_sequence);
    }
    fetch_rows(c.q, queries());
  }

  /// Blocks of a whole call.
  static index blocks(Call const& c) {
    index const all = c.p.queries * (c.p.heads / c.p.kv_heads);
    return c.p.batch * c.p.kv_heads * ((all + Call::rows - 1) / Call::rows);
  }

  /// Shared memory: queries, two tiles of keys, two of values, and what else has a row a query.
  BASIN_DEVICE tile_type tile_at(int row) const { return {reinterpret_cast<E*>(m.shared()) + row * tile_type::step}; }
  BASIN_DEVICE tile_type queries() const { return tile_at(0); }
  BASIN_DEVICE tile_type keys(int stage) const { return tile_at(Call::rows + stage * columns); }
  BASIN_DEVICE tile_type values(int stage) const { return tile_at(Call::rows + (2 + stage) * columns); }
  BASIN_DEVICE tile_type more_rows() const { return tile_at(Call::rows + 4 * columns); }
  BASIN_DEVICE int first_row_of_warp() const { return m.thread() / 32 * 16; }

  /// The rows of this block from a tensor shaped as q.
  BASIN_DEVICE void fetch_rows(view<E const, 4> const& from, tile_type to) const {
    copy_rows(m, Call::threads, Call::rows, static_cast<int>(from.extent(3)), from.stride(3), to,
              [&](int r) { return r < rows.count ? &from(rows.batch, rows.head(r), rows.query(r), 0) : nullptr; });
  }

  /// Calls meet(first key, how much of the tile is seen, stage) for every tile of keys that somebody of the block sees. The next tile is
  /// on its way meanwhile.
  template <sweep For, class Meet>
  BASIN_DEVICE void over_tiles(Meet const& meet) {
    int stage = 0;
    index at = next_tile(first_key);
    if (at < last_key) fetch<For>(at, stage);
    m.commit();
    while (at < last_key) {
      index const next = next_tile(at + columns);
      if (next < last_key) fetch<For>(next, 1 - stage);
      m.commit();
      m.template wait_for_all_but<1>();
      m.sync();
      meet(at, rows.seen(c, keys_of_sequence, at, at + columns), stage);
      m.sync();
      at = next, stage = 1 - stage;
    }
    m.template wait_for_all_but<0>();
  }
  /// The same with the scores of the tile: meet(scores, stage).
  template <sweep For, class Meet>
  BASIN_DEVICE void over_scores(Meet const& meet) {
    over_tiles<For>([&](index first, coverage seen, int stage) {
      scores_type s = products(stage);
      each(s, [&](int i, int column, float& x) {
        auto const [score, is_seen] = score_of(c, mine[i], first + column, seen, x);
        if constexpr (For == sweep::counts) visible[i] += is_seen ? 1.0f : 0.0f;
        x = score;
      });
      meet(s, stage);
    });
  }
  BASIN_DEVICE scores_type products(int stage) const {
    scores_type s{};
    multiply_rows<Call::tiles>(m, queries(), first_row_of_warp(), keys(stage), s);
    return s;
  }
  /// f(row of the lane, column, number) for all numbers of a lane.
  template <class Scores, class F>
  BASIN_DEVICE void each(Scores& s, F const& f) const {
    int const t = m.thread() % 4;
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) f(e / 2, 8 * n + 2 * t + e % 2, s[n][e]);
    }
  }

  /// f(row of the lane, column, number, number beside it) for all numbers of a lane.
  template <class F>
  BASIN_DEVICE void each(scores_type& s, scores_type& beside, F const& f) const {
    int const t = m.thread() % 4;
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n) {
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) f(e / 2, 8 * n + 2 * t + e % 2, s[n][e], beside[n][e]);
    }
  }

  BASIN_DEVICE row_type started(int i) const { return start_row(c.use.normalize, row_context<float>{mine[i].batch, mine[i].head, static_cast<float>(mine[i].position), visible[i]}); }
  static BASIN_DEVICE bool hidden(float s) { return s == math::minus_inf<float>(); }

  /// A score becomes a term or a weight, and its row takes it in.
  BASIN_DEVICE float take_in(int i, float score) {
    auto const& n = c.use.normalize;
    if constexpr (has_terms<N>) {
      float const term = hidden(score) ? 0.0f : n.term(row[i], score);
      n.add(row[i], score, term);
      return term;
    } else {
      return hidden(score) ? 0.0f : n.weight(row[i], score);
    }
  }
  /// Raises both rows by a tile of scores; raised(row, the row before) for each.
  template <class Raised>
  BASIN_DEVICE void raise(scores_type& s, Raised const& raised) {
    auto const& n = c.use.normalize;
    row_type part[2] = {started(0), started(1)};
    each(s, [&](int i, int, float x) { n.raise(part[i], x); });
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      row_type const old = row[i];
      n.merge(row[i], merged_over_row(m, n, part[i]));
      raised(i, old);
    }
  }
  BASIN_DEVICE void start() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = started(i);
  }
  BASIN_DEVICE void merge_lanes() {
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = merged_over_row(m, c.use.normalize, row[i]);
  }

  /// All stages but the sum, each in sweeps of its own.
  BASIN_DEVICE void count_measure_and_search() {
    auto const& n = c.use.normalize;
    if constexpr (!starts_uncounted<N>) {
      over_scores<sweep::counts>([](scores_type const&, int) {});
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) visible[i] = over_row(m, visible[i], [](float a, float b) { return a + b; });
    }
    start();
    if constexpr (raises_rows<N>) {
      over_scores<sweep::scores>([&](scores_type& s, int) { each(s, [&](int i, int, float x) { n.raise(row[i], x); }); });
      merge_lanes();
    }
    if constexpr (sweeps_rows<N>) search();
  }
  /// Finished rows, without anything made of them.
  BASIN_DEVICE void finish_rows() {
    if constexpr (plan_forward<typename Call::attention_type>() == way::stream) {
      start();
      over_scores<sweep::scores>([&](scores_type& s, int) {
        raise(s, [](int, row_type const&) {});
        each(s, [&](int i, int, float x) { take_in(i, x); });
      });
      merge_lanes();
    } else {
      count_measure_and_search();
      if constexpr (has_terms<N>) {
        over_scores<sweep::scores>([&](scores_type& s, int) { each(s, [&](int i, int, float x) { take_in(i, x); }); });
        merge_lanes();
      }
    }
  }
  /// What terms of a finished row are multiplied by.
  BASIN_DEVICE float factor(int i) const {
    if constexpr (has_terms<N>) return c.use.normalize.factor(row[i]);
    else return 1.0f;
  }

 private:
  BASIN_DEVICE index next_tile(index from) const {
    while (from < last_key && rows.seen(c, keys_of_sequence, from, from + columns) == coverage::none) from += columns;
    return from;
  }
  template <sweep For>
  BASIN_DEVICE void fetch(index first, int stage) const {
    auto const one = [&](auto const& from, tile_type to) {
      auto const& all = rows_of_keys(from);
      copy_rows(m, Call::threads, columns, static_cast<int>(all.extent(3)), all.stride(3), to,
                [&](int r) { return first + r < keys_of_sequence ? row_of_key(from, rows.batch, rows.kv_head, first + r) : nullptr; });
    };
    one(c.k, keys(stage));
    if constexpr (For == sweep::values) one(c.v, values(stage));
  }
  /// Sweeps until every row of the block is content; those that are take no part in the sweeps of others.
  BASIN_DEVICE void search() {
    auto const& n = c.use.normalize;
    bool again[2] = {true, true};
    do {
      row_type swept[2] = {row[0], row[1]};
      over_scores<sweep::scores>([&](scores_type& s, int) { each(s, [&](int i, int, float x) { n.absorb(swept[i], x); }); });
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) {
        row_type whole = merged_over_row(m, n, swept[i]);
        if (!again[i]) continue;
        again[i] = n.next(whole);
        row[i] = whole;
      }
    } while (m.any(again[0] || again[1]));
  }
};

}  // namespace basin::gpu::detail
