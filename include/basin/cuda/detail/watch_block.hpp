// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What each key of one query head receives, computed from the finished rows of a forward call.

#include "basin/cuda/detail/key_block.hpp"

namespace basin::gpu::detail {

template <class M, class Call>
class watch_block {
 public:
  using block_type = key_block<M, Call>;

  BASIN_DEVICE watch_block(M const& m, Call const& call, index_t block) : at(m, call, block, call.p.heads) {
    at.fetch_keys(0, call.k);
  }

  static index_t blocks(Call const& c) { return block_type::blocks(c, c.p.heads); }

  BASIN_DEVICE void run() {
    at.template over_queries<1>(at.c.q, [&](index_t from, coverage seen) {
      if (seen == coverage::all) weigh<coverage::all>(from);
      else weigh<coverage::some>(from);
    });
    at.tell_keys();
  }

 private:
  template <coverage Seen>
  BASIN_DEVICE void weigh(index_t from) {
    using kept_type = kept_row<typename Call::normalizer_type>;
    typename Call::scores_type const s = at.tiles.product(0);
    at.each_query(from, Seen, [&](index_t row) { return at.c.kept[row]; },
                  [&](int i, int n, int e, row_of_lane const& row, kept_type const& kept) {
                    auto const pair = weighed(at.c, kept, at.keys, row, at.key[i], Seen, s[n][e]);
                    at.template give<Seen>(i, pair);
                  },
                  [](int, int) {});
    at.template counted<Seen>();
  }

  block_type at;
};

}  // namespace basin::gpu::detail
