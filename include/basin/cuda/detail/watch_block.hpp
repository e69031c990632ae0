// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What each key of one query head receives: a block of keys meets all queries once more, whose rows are finished. S^T = K Q^T has a
// key a row, so sums run along rows, in order, and nothing is added by two threads.

#include "basin/cuda/detail/call.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
class watch_block {
 public:
  using E = typename Call::element;
  using N = typename Call::normalizer_type;
  using watch_type = typename Call::watch_type;
  using tile_type = typename Call::tile_type;
  static constexpr int columns = Call::cut.columns;
  static constexpr auto values = watch_type::key_values;

  BASIN_DEVICE watch_block(M const& machine, Call const& call, index block) : m(machine), c(call), watch(call.use.observe) {
    index const blocks = (c.p.keys + Call::rows - 1) / Call::rows, head_of_all = block / blocks;
    batch = static_cast<int>(head_of_all / c.p.heads), head = static_cast<int>(head_of_all % c.p.heads);
    first = block % blocks * Call::rows;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) key[i] = first + m.thread() / 32 * 16 + m.thread() % 32 / 4 + 8 * i;
    copy_rows(m, Call::threads, Call::rows, static_cast<int>(c.p.dim), c.k.stride(3), keys(),
              [&](int r) { return first + r < c.p.keys ? &c.k(batch, c.p.kv_head(head), first + r, 0) : nullptr; });
  }

  static index blocks(Call const& c) { return c.p.batch * c.p.heads * ((c.p.keys + Call::rows - 1) / Call::rows); }

  BASIN_DEVICE void run() {
    int stage = 0;
    index at = next_tile(0);
    if (at < c.p.queries) fetch(at, stage);
    m.commit();
    while (at < c.p.queries) {
      index const next = next_tile(at + columns);
      if (next < c.p.queries) fetch(next, 1 - stage);
      m.commit();
      m.template wait_for_all_but<1>();
      m.sync();
      take_in(at, stage);
      m.sync();
      at = next, stage = 1 - stage;
    }
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      auto const add = [](auto a, auto const& b) {
        for (std::size_t n = 0; n < values; ++n) a.given[n] += b.given[n];
        a.queries += b.queries;
        return a;
      };
      totals const all = over_row(m, sums[i], add);
      if (m.thread() % 4 == 0 && key[i] < c.p.keys) watch.sees_key({batch, head, key[i]}, all.given, all.queries);
    }
  }

 private:
  struct totals {
    cuda::std::array<double, values> given{};
    double queries = 0;
  };

  /// Shared memory: the keys, two tiles of queries.
  BASIN_DEVICE tile_type tile_at(int row) const { return {reinterpret_cast<E*>(m.shared()) + row * tile_type::step}; }
  BASIN_DEVICE tile_type keys() const { return tile_at(0); }
  BASIN_DEVICE tile_type queries(int stage) const { return tile_at(Call::rows + stage * columns); }

  BASIN_DEVICE coverage seen(index from) const {
    index const to = from + columns < c.p.queries ? from + columns : c.p.queries, last = first + Call::rows < c.p.keys ? first + Call::rows : c.p.keys;
    tile const t{batch, head, c.p.position(from), c.p.position(to - 1) + 1, first, last};
    coverage const all = c.use.visible.covers(t);
    return all == coverage::none ? all : both(all, basin::kept(c.use.prune, t));
  }
  BASIN_DEVICE index next_tile(index from) const {
    while (from < c.p.queries && seen(from) == coverage::none) from += columns;
    return from;
  }
  BASIN_DEVICE void fetch(index from, int stage) {
    copy_rows(m, Call::threads, columns, static_cast<int>(c.p.dim), c.q.stride(3), queries(stage),
              [&](int r) { return from + r < c.p.queries ? &c.q(batch, head, from + r, 0) : nullptr; });
  }
  /// Scores of a tile, weights from the finished rows, and what they give.
  BASIN_DEVICE void take_in(index from, int stage) {
    typename Call::scores_type s{};
    multiply_rows<Call::tiles>(m, keys(), m.thread() / 32 * 16, queries(stage), s);
    coverage const all = seen(from);
    int const t = m.thread() % 4;
    cuda::std::array<float, values> given[2]{};
    BASIN_UNROLL
    for (int n = 0; n < Call::tiles; ++n)
      BASIN_UNROLL
      for (int e = 0; e < 4; ++e) {
        index const query = from + 8 * n + 2 * t + e % 2;
        if (query >= c.p.queries) continue;
        row_of_lane const row{batch, head, query, static_cast<float>(c.p.position(query)), row_of_lane::is::present};
        auto const [score, is_seen] = score_of(c, row, key[e / 2], all, s[n][e]);
        if (!is_seen) continue;
        sums[e / 2].queries += 1;
        auto const one = watch.gives(weight_in<N>(c.use.normalize, c.kept_at(batch, head, query), score));
        for (std::size_t i = 0; i < values; ++i) given[e / 2][i] += one[i];
      }
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i)
      for (std::size_t n = 0; n < values; ++n) sums[i].given[n] += static_cast<double>(given[i][n]);
  }

  M const& m;
  Call const& c;
  watch_type watch;
  int batch, head;
  index first, key[2];                                           // of the block; of the rows g and g + 8 of the warp's sixteen
  totals sums[2];
};

}  // namespace basin::gpu::detail
