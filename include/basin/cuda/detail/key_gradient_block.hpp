// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The backward pass of one block of keys: it meets all queries that read its key head, S^T = K Q^T and dW^T = V dO^T, and adds
// dV += W^T dO and dK += dS^T Q in order. What the keys receive falls out on the way.

#include "basin/cuda/detail/key_block.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
class key_gradient_block {
 public:
  using block_type = key_block<M, Call>;

  BASIN_DEVICE key_gradient_block(M const& m, Call const& call, index block) : at(m, call, block, call.p.kv_heads) {
    at.fetch_keys(0, call.k);
    at.fetch_keys(1, call.v);
  }

  static index blocks(Call const& c) { return block_type::blocks(c, c.p.kv_heads); }

  BASIN_DEVICE void run() {
    auto const& c = at.c;
    for (index member = 0; member < c.group(); ++member) {
      at.head = static_cast<int>(at.kv_head * c.group() + member);
      at.template over_queries<2>(c.dout, [&](index from, coverage seen) { take_in(from, seen); });
      at.tell_keys();
    }
    if constexpr (tiles_of<M, Call>::computes) finish();
  }

 private:
  BASIN_DEVICE void finish() {
    auto const& c = at.c;
    int const t = at.m.thread() % 4;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      if (at.key[i] >= c.p.keys) continue;
      write_row(dk, i, t, c.p.dim, 1.0f, [&](index d) -> decltype(auto) { return c.dk(at.batch, at.kv_head, at.key[i], d); });
      write_row(dv, i, t, c.p.value_dim, 1.0f, [&](index d) -> decltype(auto) { return c.dv(at.batch, at.kv_head, at.key[i], d); });
    }
  }
  BASIN_DEVICE void take_in(index from, coverage seen) {
    auto const& c = at.c;
    typename Call::scores_type const dots = at.tiles.product(0), dweights = at.tiles.product(1);
    typename Call::scores_type w{}, ds{};
    at.each_query(from, [&](int i, int n, int e, row_of_lane const& row) {
      auto const& kept = c.kept_at(row.batch, row.head, row.query);
      auto const pair = weighed(c, kept, row, at.key[i], seen, dots[n][e]);
      w[n][e] = pair.weight;
      ds[n][e] = dot_gradient(c, row, at.key[i], dots[n][e], score_gradient_of(c, kept, c.delta_at(row.batch, row.head, row.query), pair, dweights[n][e]));
      at.give(i, pair.seen, pair.weight);
    });
    at.tiles.mix(1, w, dv);
    at.tiles.mix(0, ds, dk);
  }

  block_type at;
  sums_of_warp<Call::dim / 8> dk{}, dv{};
};

}  // namespace basin::gpu::detail
