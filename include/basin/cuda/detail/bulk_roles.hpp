// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Blocks on Hopper: a producer warp loads streamed tiles, consumer warps compute with them. The producer runs the same
// program as the consumers, block for block and pass for pass, and loads where they compute. So both make the same
// steps, and nothing has to be communicated.

#include "basin/cuda/detail/bulk_tiles.hpp"

namespace basin::gpu::detail {

/// The producer's side of the tile pipeline: one thread of one warp issues the copies, the other threads do nothing.
template <class M, class Call>
class bulk_fetcher {
 public:
  using layout = bulk_layout<Call>;
  using scores_type = typename Call::scores_type;
  static constexpr bool products_of_warps = false;
  static constexpr bool computes = false;

  BASIN_DEVICE bulk_fetcher(M const& machine, Call const&) : m(machine) {}

  template <class Keys, class There, class Row>
  BASIN_DEVICE void fetch_own(int, Keys const&, There const&, Row const&) const {}

  template <int Count, class First, class Second, class Next, class Meet>
  BASIN_DEVICE void over(First const&, Second const&, passing_rows const& from, index_t start, index_t last,
                         Next const& next, Meet const&) {
    if (m.thread() / 32 == Call::threads / 32)                   // a whole warp: next() may use votes of the warp
      for (index_t row = next(start); row < last; row = next(row + Call::cut.columns)) {
        if (m.thread() % 32 != 0) continue;
        BASIN_UNROLL
        for (int n = 0; n < Count; ++n) fetch(n, from, row);
      }
    m.sync_warp();
  }
  template <class First, class Second, class Next, class Weigh, class Lower>
  BASIN_DEVICE void over_mixing(First const& first, Second const& second, passing_rows const& from, index_t start,
                                index_t last, Next const& next, sums_of_warp<Call::dim / 8>&, Weigh const& weigh,
                                Lower const&) {
    over<2>(first, second, from, start, last, next, weigh);
  }
  BASIN_DEVICE scores_type product(int) const { return {}; }
  BASIN_DEVICE two_products<scores_type> both_products() const { return {}; }
  BASIN_DEVICE void mix(int, scores_type const&, sums_of_warp<Call::dim / 8>&) const {}
  BASIN_DEVICE void mix_both(scores_type const&, sums_of_warp<Call::dim / 8>&, scores_type const&,
                             sums_of_warp<Call::dim / 8>&) const {}

 private:
  BASIN_DEVICE void fetch(int n, passing_rows const& from, index_t row) {
    using tile = typename layout::passing_tile;
    int const stage = met[n].template stage<layout::stages>();
    arrival_barrier* const arrived = layout::arrived(m, n, stage);
    m.wait(layout::left(m, n, stage), 1 - met[n].template parity<layout::stages>());
    m.arrive_expecting(arrived, tile::bytes);
    BASIN_UNROLL
    for (int panel = 0; panel < tile::panels; ++panel)
      m.copy_box(n, panel * shared_matrix::panel, static_cast<int>(row), static_cast<int>(from.head), from.batch,
                 layout::passing(m, n, stage).start + panel * tile::panel_bytes, arrived);
    ++met[n].count;
  }

  M const& m;
  met_tiles met[layout::tensors];
};

/// The Hopper generation of kernels: E of 16 bits; keys and values lie in one view that TMA can copy.
struct bulk {
  template <class M, class Call>
  using tiles = std::conditional_t<M::computes, bulk_tiles<M, Call>, bulk_fetcher<M, Call>>;
  template <class Call>
  static constexpr int shared_bytes = bulk_layout<Call>::bytes;
};

/// Threads of a block of this generation: the consumers, and one group of producer threads.
template <class Call>
inline constexpr int threads_in_roles = Call::threads + 128;

/// Runs a block in both roles. `m` is the machine of the consumers; m.fetching() is the same for the producer.
template <template <class, class> class Block, class M, class Call>
BASIN_DEVICE void run_in_roles(M const& m, Call const& c) {
  if (m.thread() == 0) bulk_layout<Call>::start_barriers(m);
  m.sync();
  if (m.thread() < Call::threads) {
    m.template raise_registers<Call::threads>();
    Block<M, Call>(m, c, m.block()).run();
  } else {
    auto const fetching = m.fetching();
    fetching.template lower_registers<Call::threads>();
    Block<decltype(m.fetching()), Call>(fetching, c, fetching.block()).run();
  }
}

}  // namespace basin::gpu::detail
