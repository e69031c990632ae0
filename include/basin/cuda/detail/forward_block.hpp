// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The forward pass of one block of queries: S = Q K^T tile by tile, rows of weights, O = W V. Either in one sweep, where the
// normalizer is online, or in sweeps: count, measure, search, and a last one for weights and outputs.

#include "basin/cuda/detail/call.hpp"

namespace basin::gpu::detail {

/// What a sweep is for: to count the keys that a row sees, for scores, or for weights and outputs.
enum class sweep { counts, scores, outputs };

template <class M, class Call>
class forward_block {
 public:
  using E = typename Call::element;
  using N = typename Call::normalizer_type;
  using watch_type = typename Call::watch_type;
  using row_type = row_of<N, float>;
  using tile_type = typename Call::tile_type;
  using scores_type = typename Call::scores_type;
  static constexpr int columns = Call::cut.columns;

  BASIN_DEVICE forward_block(M const& machine, Call const& call, index block) : m(machine), c(call), watch(call.use.observe) {
    index const all = c.p.queries * c.group(), blocks = (all + Call::rows - 1) / Call::rows;
    index const head = block / blocks, tile = blocks - 1 - block % blocks;               // the last queries, who may see most, first
    rows = {static_cast<int>(head / c.p.kv_heads), head % c.p.kv_heads, tile * Call::rows, 0, c.group()};
    rows.count = all - rows.first < Call::rows ? all - rows.first : Call::rows;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      index const n = m.thread() / 32 * 16 + m.thread() % 32 / 4 + 8 * i;
      if (n < rows.count)
        mine[i] = {rows.batch, rows.head(n), rows.query(n), static_cast<float>(c.p.position(rows.query(n))), row_of_lane::is::present};
    }
    copy_rows(m, Call::threads, Call::rows, static_cast<int>(c.p.dim), c.q.stride(3), queries(),
              [&](int r) { return r < rows.count ? &c.q(rows.batch, rows.head(r), rows.query(r), 0) : nullptr; });
  }

  /// Blocks of a whole call.
  static index blocks(Call const& c) {
    index const all = c.p.queries * (c.p.heads / c.p.kv_heads);
    return c.p.batch * c.p.kv_heads * ((all + Call::rows - 1) / Call::rows);
  }

  BASIN_DEVICE void run() {
    if constexpr (plan_forward<typename Call::attention_type>() == way::stream) stream();
    else sweeps();
    finish();
  }

 private:
  /// Shared memory: the queries, two tiles of keys, two of values.
  BASIN_DEVICE tile_type tile_at(int row) const { return {reinterpret_cast<E*>(m.shared()) + row * tile_type::step}; }
  BASIN_DEVICE tile_type queries() const { return tile_at(0); }
  BASIN_DEVICE tile_type keys(int stage) const { return tile_at(Call::rows + stage * columns); }
  BASIN_DEVICE tile_type values(int stage) const { return tile_at(Call::rows + (2 + stage) * columns); }

  /// Calls meet(first key, scores, stage) for every tile of keys that somebody of the block sees. The next tile is on its way meanwhile.
  template <sweep For, class Meet>
  BASIN_DEVICE void over_tiles(Meet const& meet) {
    int stage = 0;
    index at = next_tile(0);
    if (at < c.p.keys) fetch<For>(at, stage);
    m.commit();
    while (at < c.p.keys) {
      index const next = next_tile(at + columns);
      if (next < c.p.keys) fetch<For>(next, 1 - stage);
      m.commit();
      m.template wait_for_all_but<1>();
      m.sync();
      meet(at, scores<For>(at, stage), stage);
      m.sync();
      at = next, stage = 1 - stage;
    }
  }
  BASIN_DEVICE index next_tile(index from) const {
    while (from < c.p.keys && rows.seen(c, from, from + columns) == coverage::none) from += columns;
    return from;
  }
  template <sweep For>
  BASIN_DEVICE void fetch(index first, int stage) {
    auto const rows_of = [&](view<E const, 4> const& from) {
      return [this, first, &from](int r) { return first + r < c.p.keys ? &from(rows.batch, rows.kv_head, first + r, 0) : nullptr; };
    };
    copy_rows(m, Call::threads, columns, static_cast<int>(c.p.dim), c.k.stride(3), keys(stage), rows_of(c.k));
    if constexpr (For == sweep::outputs) copy_rows(m, Call::threads, columns, static_cast<int>(c.p.value_dim), c.v.stride(3), values(stage), rows_of(c.v));
  }
  /// s_ij of one tile, -inf where a query does not see a key.
  template <sweep For>
  BASIN_DEVICE scores_type scores(index first, int stage) {
    scores_type s{};
    multiply_rows<Call::tiles>(m, queries(), m.thread() / 32 * 16, keys(stage), s);
    coverage const seen = rows.seen(c, first, first + columns);
    each(s, [&](int i, int column, float& x) {
      auto const [score, is_seen] = score_of(c, mine[i], first + column, seen, x);
      if constexpr (For == sweep::counts) visible[i] += is_seen ? 1.0f : 0.0f;
      x = score;
    });
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
  BASIN_DEVICE row_type started(int i) const { return start_row(c.use.normalize, row_context<float>{mine[i].batch, mine[i].head, mine[i].position, visible[i]}); }
  static BASIN_DEVICE bool hidden(float s) { return s == math::minus_inf<float>(); }

  /// Scores become terms, and the rows, their observers and the outputs take them in.
  BASIN_DEVICE void take_in(scores_type& s, int stage) {
    auto const& n = c.use.normalize;
    each(s, [&](int i, int, float& x) {
      float const score = x;
      if constexpr (has_terms<N>) x = hidden(score) ? 0.0f : n.term(row[i], score);
      else x = hidden(score) ? 0.0f : n.weight(row[i], score);
      if constexpr (has_terms<N>) n.add(row[i], score, x);
      if constexpr (watch_type::row_values > 0) watch.template absorb<N>(states[i], seen_term<float>{x, hidden(score) ? score : log_of_term(n, row[i], score, x)});
    });
    mix_rows<E>(m, s, values(stage), out);
  }

  BASIN_DEVICE void stream() {
    auto const& n = c.use.normalize;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = started(i);
    over_tiles<sweep::outputs>([&](index, scores_type s, int stage) {
      row_type part[2] = {started(0), started(1)};
      each(s, [&](int i, int, float x) { n.raise(part[i], x); });
      float by[2];
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) {
        row_type const old = row[i];
        n.merge(row[i], merged_over_row(m, n, part[i]));
        by[i] = n.rescale(old, row[i]);
        watch.rescale(states[i], by[i], watch.totals(states[i], n, old));
      }
      BASIN_UNROLL
      for (int tile = 0; tile < Call::dim / 8; ++tile)
        BASIN_UNROLL
        for (int e = 0; e < 4; ++e) out[tile][e] *= by[e / 2];
      take_in(s, stage);
    });
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = merged_over_row(m, n, row[i]);
  }

  BASIN_DEVICE void sweeps() {
    auto const& n = c.use.normalize;
    if constexpr (!starts_uncounted<N>) {
      over_tiles<sweep::counts>([](index, scores_type const&, int) {});
      BASIN_UNROLL
      for (auto& count : visible) count = over_row(m, count, [](float a, float b) { return a + b; });
    }
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) row[i] = started(i);
    if constexpr (raises_rows<N>) {
      over_tiles<sweep::scores>([&](index, scores_type const& s, int) { each(s, [&](int i, int, float x) { n.raise(row[i], x); }); });
      BASIN_UNROLL
      for (auto& r : row) r = merged_over_row(m, n, r);
    }
    if constexpr (sweeps_rows<N>) search();
    over_tiles<sweep::outputs>([&](index, scores_type s, int stage) { take_in(s, stage); });
    if constexpr (has_terms<N>)
      BASIN_UNROLL
      for (auto& r : row) r = merged_over_row(m, n, r);
  }
  /// Sweeps until every row of the block is content; those that are take no part in the sweeps of others.
  BASIN_DEVICE void search() {
    auto const& n = c.use.normalize;
    bool again[2] = {true, true};
    do {
      row_type swept[2] = {row[0], row[1]};
      over_tiles<sweep::scores>([&](index, scores_type const& s, int) { each(s, [&](int i, int, float x) { n.absorb(swept[i], x); }); });
      BASIN_UNROLL
      for (int i = 0; i < 2; ++i) {
        row_type whole = merged_over_row(m, n, swept[i]);
        if (!again[i]) continue;
        again[i] = n.next(whole);
        row[i] = whole;
      }
    } while (m.any(again[0] || again[1]));
  }

  /// Outputs, rows for those who come after, and what observers of rows are shown.
  BASIN_DEVICE void finish() {
    auto const& n = c.use.normalize;
    int const t = m.thread() % 4;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      float factor = 1.0f;
      if constexpr (has_terms<N>) factor = n.factor(row[i]);
      auto const state = over_row(m, states[i], [&](auto a, auto const& b) {
        watch.merge(a, b);
        return a;
      });
      if (mine[i].here == row_of_lane::is::absent) continue;
      if (t == 0) {
        if (c.kept != nullptr) c.kept_at(mine[i].batch, mine[i].head, mine[i].query) = {row[i], factor};
        float log_sum = 0.0f;
        if constexpr (watch_type::needs_log_sum) log_sum = log_sum_of<float>(n, row[i]);
        watch.sees_row({mine[i].batch, mine[i].head, mine[i].query}, watch.report(state, factor, log_sum, watch.totals(state, n, row[i])));
      }
      BASIN_UNROLL
      for (int tile = 0; tile < Call::dim / 8; ++tile)
        BASIN_UNROLL
        for (int e = 0; e < 2; ++e)
          if (index const d = 8 * tile + 2 * t + e; d < c.p.value_dim)
            c.out(mine[i].batch, mine[i].head, mine[i].query, d) = typename Call::output(factor * out[tile][2 * i + e]);
    }
  }

  M const& m;
  Call const& c;
  watch_type watch;
  rows_of_block rows;
  row_of_lane mine[2];                                           // rows g and g + 8 of the warp's sixteen, g = lane / 4
  float visible[2] = {};
  row_type row[2];
  typename watch_type::template rows<float> states[2]{};
  sums_of_warp<Call::dim / 8> out{};
};

}  // namespace basin::gpu::detail
