// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The tiles of a block in shared memory: one or two resident tiles of its own rows (`own`), and streamed tiles of two
// other tensors (`passing`). Queries are resident while keys and values are streamed; in the backward pass, keys and
// values are resident while queries and dO are streamed.

#include "basin/concepts/normalizer.hpp"
#include "basin/cuda/detail/keys.hpp"
#include "basin/cuda/detail/products.hpp"

namespace basin::gpu::detail {

/// The source of streamed tiles: rows [0, count) of one head, zeros beyond.
struct passing_rows {
  int batch;
  index_t head, count;
};

/// The products of both resident tiles by the streamed ones.
template <class Scores>
struct two_products {
  Scores first, second;
};

/// Tiles that all threads of the block copy together, by cp.async, and multiply by mma.sync.
///
/// Requires    of any kind of tiles: computes, fetch_own, over, over_mixing, product, both_products, mix, mix_both
template <class M, class Call>
class copied_tiles {
 public:
  using E = typename Call::element;
  using scores_type = typename Call::scores_type;
  static constexpr bool products_of_warps = true;                // whether a warp may skip a product on its own
  static constexpr bool computes = true;                         // whether the threads compute (consumers) or only load
  static_assert(Call::cut.stages == 2);

  BASIN_DEVICE copied_tiles(M const& machine, Call const& call) : m(machine), c(call) {}

  /// Loads the rows of resident tile n; row(r) is the address of row r if there(r). They have arrived when over() makes
  /// its first call.
  template <class Keys, class There, class Row>
  BASIN_DEVICE void fetch_own(int n, Keys const& from, There const& there, Row const& row) const {
    copy_rows<Call::threads, Call::rows, Call::dim>(m, rows_of_keys(from), own(n), there, row);
  }
  /// Calls meet(first row) for every tile from `start` on that next(row) does not skip, with the first Count tensors of
  /// it in shared memory. The next tile is loaded meanwhile.
  template <int Count, class First, class Second, class Next, class Meet>
  BASIN_DEVICE void over(First const& first, Second const& second, passing_rows const& from, index_t start,
                         index_t last, Next const& next, Meet const& meet) {
    index_t row = next(start);
    if (row < last) fetch<Count>(first, second, from, row);
    m.commit();
    while (row < last) {
      index_t const after = next(row + Call::cut.columns);
      stage = 1 - stage;
      if (after < last) fetch<Count>(first, second, from, after);
      stage = 1 - stage;
      m.commit();
      m.template wait_for_all_but<1>();
      m.sync();
      meet(row);
      m.sync();
      row = after, stage = 1 - stage;
    }
    m.template wait_for_all_but<0>();
  }

  /// A pass that computes outputs. For each tile, weigh(first row, scores) turns scores into weights, lower() rescales
  /// `sums`, and then sums += W B with the rows of the second tensor.
  template <class First, class Second, class Next, class Weigh, class Lower>
  BASIN_DEVICE void over_mixing(First const& first, Second const& second, passing_rows const& from, index_t start,
                                index_t last, Next const& next, sums_of_warp<Call::dim / 8>& sums, Weigh const& weigh,
                                Lower const& lower) {
    over<2>(first, second, from, start, last, next, [&](index_t row) {
      scores_type s = product(0);
      weigh(row, s);
      lower();
      mix(1, s, sums);
    });
  }

  /// Resident tile n by the streamed tile of tensor n.
  BASIN_DEVICE scores_type product(int n) const {
    scores_type s{};
    multiply_rows<typename Call::arithmetic, Call::tiles>(m, own(n), m.thread() / 32 * 16, passing(n), s);
    return s;
  }
  BASIN_DEVICE two_products<scores_type> both_products() const { return {product(0), product(1)}; }
  /// sums += W B; B is the streamed tile of tensor n.
  BASIN_DEVICE void mix(int n, scores_type const& w, sums_of_warp<Call::dim / 8>& sums) const {
    constexpr auto made = gives_zeros<typename Call::normalizer_type> ? steps::with_weights : steps::all;
    mix_rows<typename Call::arithmetic, made>(m, w, passing(n), sums);
  }
  /// mix() for both tensors, each with its own weights and sums.
  BASIN_DEVICE void mix_both(scores_type const& first, sums_of_warp<Call::dim / 8>& first_sums,
                             scores_type const& second, sums_of_warp<Call::dim / 8>& second_sums) const {
    mix(0, first, first_sums);
    mix(1, second, second_sums);
  }

 private:
  BASIN_DEVICE typename Call::tile_type tile_at(int row) const {
    return {reinterpret_cast<E*>(m.shared()) + row * Call::tile_type::step};
  }
  BASIN_DEVICE typename Call::tile_type own(int n) const { return tile_at(n * Call::rows); }
  BASIN_DEVICE typename Call::tile_type passing(int n) const {
    return tile_at(Call::own_tiles * Call::rows + (2 * n + stage) * Call::cut.columns);
  }

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

/// The generation of kernels for every processor from sm_80 on.
struct portable {
  template <class M, class Call>
  using tiles = copied_tiles<M, Call>;
  template <class Call>
  static constexpr int shared_bytes =
      Call::tile_type::bytes(Call::own_tiles * Call::rows + 2 * Call::cut.stages * Call::cut.columns);
};

template <class M, class Call>
using tiles_of = typename Call::generation::template tiles<M, Call>;

}  // namespace basin::gpu::detail
