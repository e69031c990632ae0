// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The backward pass of one block of keys. It passes over all queries that read its key head, computes S^T = K Q^T and
// dW^T = V dO^T, and adds dV += W^T dO and dK += dS^T Q in order. Received attention is a by-product.

#include "basin/cuda/detail/key_block.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
class key_gradient_block {
 public:
  using block_type = key_block<M, Call>;
  using N = typename Call::normalizer_type;
  /// Whether a warp skips tiles without a weight: where products are computed warp by warp, and observers need no count
  /// of queries.
  static constexpr bool leaves_out = gives_zeros<N> && has_jacobian_of_weights<N> && block_type::values == 0 &&
                                     tiles_of<M, Call>::products_of_warps;

  BASIN_DEVICE key_gradient_block(M const& m, Call const& call, index_t block) : at(m, call, block, call.p.kv_heads) {
    at.fetch_keys(0, call.k);
    at.fetch_keys(1, call.v);
  }

  static index_t blocks(Call const& c) { return block_type::blocks(c, c.p.kv_heads); }

  BASIN_DEVICE void run() {
    auto const& c = at.c;
    for (index_t member = 0; member < c.group(); ++member) {
      at.head = static_cast<int>(at.kv_head * c.group() + member);
      at.template over_queries<2>(c.dout, [&](index_t from, coverage seen) { take_in(from, seen); });
      at.tell_keys();
    }
    if constexpr (tiles_of<M, Call>::computes) finish();
  }

 private:
  BASIN_DEVICE void finish() {
    auto const& c = at.c;
    BASIN_UNROLL
    for (int i = 0; i < 2; ++i) {
      if (at.key[i] >= c.p.keys) continue;
      write_row(at.m, dk, i, c.p.dim, factor_of_dots(c), &c.dk(at.batch, at.kv_head, at.key[i], 0), c.dk.stride(3));
      write_row(at.m, dv, i, c.p.value_dim, 1.0f, &c.dv(at.batch, at.kv_head, at.key[i], 0), c.dv.stride(3));
    }
  }
  BASIN_DEVICE void take_in(index_t from, coverage seen) {
    if constexpr (leaves_out) {
      typename Call::scores_type w = at.tiles.product(0);
      if (!weighs(from, seen, w)) return;
      typename Call::scores_type ds = at.tiles.product(1);
      take_in(from, seen, w, ds);
    } else {
      auto made = at.tiles.both_products();
      take_in(from, seen, made.first, made.second);
    }
  }
  BASIN_DEVICE void take_in(index_t from, coverage seen, typename Call::scores_type& w,
                            typename Call::scores_type& ds) {
    if (seen == coverage::all) weigh<coverage::all>(from, w, ds);
    else weigh<coverage::some>(from, w, ds);
    at.tiles.mix_both(ds, dk, w, dv);
  }
  /// Whether any product of the warp has a weight. Where the weight is 0, the key has no part in the Jacobian.
  BASIN_DEVICE bool weighs(index_t from, coverage seen, typename Call::scores_type const& dots) const {
    using kept_type = kept_row<N>;
    bool mine = false;
    at.each_query(from, seen, [&](index_t row) { return at.c.kept[row]; },
                  [&](int i, int n, int e, row_of_lane const& row, kept_type const& kept) {
                    mine = mine || weighed(at.c, kept, at.keys, row, at.key[i], seen, dots[n][e]).weight != 0.0f;
                  },
                  [](int, int) {});
    return at.m.any_of_warp(mine);
  }
  /// Turns products into weights, and gradients of weights into gradients of products.
  template <coverage Seen>
  BASIN_DEVICE void weigh(index_t from, typename Call::scores_type& w, typename Call::scores_type& ds) {
    auto const& c = at.c;
    struct known {
      kept_row<typename Call::normalizer_type> kept;
      typename Call::delta_type delta;
    };
    at.each_query(from, Seen, [&](index_t row) { return known{c.kept[row], c.deltas[row]}; },
                  [&](int i, int n, int e, row_of_lane const& row, known const& of) {
                    float const dot = w[n][e];
                    auto const pair = weighed(c, of.kept, at.keys, row, at.key[i], Seen, dot);
                    w[n][e] = pair.weight;
                    float const dscore = score_gradient_of(c, of.kept, of.delta, pair, ds[n][e]);
                    ds[n][e] = dot_gradient(c, row, at.key[i], dot, dscore);
                    at.template give<Seen>(i, pair);
                  },
                  [&](int n, int e) { w[n][e] = ds[n][e] = 0.0f; });
    at.template counted<Seen>();
  }

  block_type at;
  sums_of_warp<Call::dim / 8> dk{}, dv{};
};

}  // namespace basin::gpu::detail
