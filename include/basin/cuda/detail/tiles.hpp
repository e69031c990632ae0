// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a block holds in shared memory: one or two tiles of rows of its own, and tiles that pass by, one of each of two tensors. So it is
// with queries that meet keys and values, and with keys and values that meet queries and dO.

#include "basin/concepts/normalizer.hpp"
#include "basin/cuda/detail/keys.hpp"
#include "basin/cuda/detail/products.hpp"

namespace basin::gpu::detail {

/// Where tiles that pass by come from: rows [0, count) of one head; what lies beyond is zeros.
struct passing_rows {
  int batch;
  index_t head, count;
};

/// Own rows of both tensors against those that pass by.
template <class Scores>
struct two_products {
  Scores first, second;
};

/// Tiles that all threads of the block copy together, in the background; mma.sync.
///
/// Requires    of any kind of tiles: computes, fetch_own, over, over_mixing, product, both_products, mix, mix_both
template <class M, class Call>
class copied_tiles {
 public:
  using E = typename Call::element;
  using scores_type = typename Call::scores_type;
  static constexpr bool products_of_warps = true;                // whether a warp may leave out a product that others make
  static constexpr bool computes = true;                         // whether the threads that hold these tiles do the work of the block
  static_assert(Call::cut.stages == 2);

  BASIN_DEVICE copied_tiles(M const& machine, Call const& call) : m(machine), c(call) {}

  /// Rows of tensor n of the block's own; row(r) is where row r begins, if there(r). They are there when the first tile passes by.
  template <class Keys, class There, class Row>
  BASIN_DEVICE void fetch_own(int n, Keys const& from, There const& there, Row const& row) const {
    copy_rows<Call::threads, Call::rows, Call::dim>(m, rows_of_keys(from), own(n), there, row);
  }
  /// Calls meet(first row) for every tile from `at` on that next(row) leaves, with the first Count tensors of it in shared memory.
  /// The next tile is on its way meanwhile.
  template <int Count, class First, class Second, class Next, class Meet>
  BASIN_DEVICE void over(First const& first, Second const& second, passing_rows const& from, index_t start, index_t last, Next const& next, Meet const& meet) {
    index_t at = next(start);
    if (at < last) fetch<Count>(first, second, from, at);
    m.commit();
    while (at < last) {
      index_t const after = next(at + Call::cut.columns);
      stage = 1 - stage;
      if (after < last) fetch<Count>(first, second, from, after);
      stage = 1 - stage;
      m.commit();
      m.template wait_for_all_but<1>();
      m.sync();
      meet(at);
      m.sync();
      at = after, stage = 1 - stage;
    }
    m.template wait_for_all_but<0>();
  }

  /// A sweep that makes outputs: weigh(first row, scores) makes weights of the scores of a tile, then lower() rescales `sums`, then
  /// sums += W B with the rows of the second tensor.
  template <class First, class Second, class Next, class Weigh, class Lower>
  BASIN_DEVICE void over_mixing(First const& first, Second const& second, passing_rows const& from, index_t start, index_t last, Next const& next, sums_of_warp<Call::dim / 8>& sums,
                                Weigh const& weigh, Lower const& lower) {
    over<2>(first, second, from, start, last, next, [&](index_t at) {
      scores_type s = product(0);
      weigh(at, s);
      lower();
      mix(1, s, sums);
    });
  }

  /// Own rows of tensor n against those that pass by.
  BASIN_DEVICE scores_type product(int n) const {
    scores_type s{};
    multiply_rows<typename Call::arithmetic, Call::tiles>(m, own(n), m.thread() / 32 * 16, passing(n), s);
    return s;
  }
  BASIN_DEVICE two_products<scores_type> both_products() const { return {product(0), product(1)}; }
  /// sums += W B, B the rows of tensor n that pass by.
  BASIN_DEVICE void mix(int n, scores_type const& w, sums_of_warp<Call::dim / 8>& sums) const {
    constexpr auto made = gives_zeros<typename Call::normalizer_type> ? steps::with_weights : steps::all;
    mix_rows<typename Call::arithmetic, made>(m, w, passing(n), sums);
  }
  /// For both tensors, each with weights and sums of its own.
  BASIN_DEVICE void mix_both(scores_type const& first, sums_of_warp<Call::dim / 8>& first_sums, scores_type const& second, sums_of_warp<Call::dim / 8>& second_sums) const {
    mix(0, first, first_sums);
    mix(1, second, second_sums);
  }

 private:
  BASIN_DEVICE typename Call::tile_type tile_at(int row) const { return {reinterpret_cast<E*>(m.shared()) + row * Call::tile_type::step}; }
  BASIN_DEVICE typename Call::tile_type own(int n) const { return tile_at(n * Call::rows); }
  BASIN_DEVICE typename Call::tile_type passing(int n) const { return tile_at(Call::own_tiles * Call::rows + (2 * n + stage) * Call::cut.columns); }

  template <int Count, class First, class Second>
  BASIN_DEVICE void fetch(First const& first, Second const& second, passing_rows const& from, index_t at) const {
    copy(first, from, at, passing(0));
    if constexpr (Count > 1) copy(second, from, at, passing(1));
  }
  template <class Keys>
  BASIN_DEVICE void copy(Keys const& tensor, passing_rows const& from, index_t at, typename Call::tile_type to) const {
    int const left = static_cast<int>(from.count - at < Call::cut.columns ? from.count - at : Call::cut.columns);
    copy_rows<Call::threads, Call::cut.columns, Call::dim>(m, rows_of_keys(tensor), to, [&](int r) { return r < left; },
                                                           rows_from(tensor, from.batch, from.head, at, from.count));
  }

  M const& m;
  Call const& c;
  int stage = 0;
};

/// The generation of kernels that every processor from sm_80 on runs.
struct portable {
  template <class M, class Call>
  using tiles = copied_tiles<M, Call>;
  template <class Call>
  static constexpr int shared_bytes = Call::tile_type::bytes(Call::own_tiles * Call::rows + 2 * Call::cut.stages * Call::cut.columns);
};

template <class M, class Call>
using tiles_of = typename Call::generation::template tiles<M, Call>;

}  // namespace basin::gpu::detail
