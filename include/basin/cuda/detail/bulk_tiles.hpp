// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Tiles on Hopper: one warp fetches what passes by for all others, who multiply four warps at a time. The fetching warp runs the same
// program as they do, block for block and sweep for sweep, only that it fetches where they compute; so the two cannot get out of step.

#include "basin/cuda/detail/tiles.hpp"
#include "basin/cuda/group_machine.hpp"

namespace basin::gpu::detail {

/// Rows of Dim numbers of 16 bits in shared memory, in panels (shared_matrix).
template <class E, int Dim, int Rows>
struct panelled_tile {
  static_assert(sizeof(E) == 2 && Dim % shared_matrix::panel == 0 && Rows % 8 == 0);
  static constexpr int panels = Dim / shared_matrix::panel, row_bytes = 128, panel_bytes = Rows * row_bytes, bytes = panels * panel_bytes;
  std::byte* start;

  /// Where the 8 numbers from `column` on of a row stand.
  BASIN_DEVICE E* chunk(int row, int column) const {
    int const panel = column / shared_matrix::panel, n = column % shared_matrix::panel / 8;
    return reinterpret_cast<E*>(start + panel * panel_bytes + row * row_bytes + (n ^ (row % 8)) * 16);
  }
};

/// Where everything of a block lies in shared memory: own tiles, tiles that pass by, and two barriers for each of these: it has arrived, it
/// has been left by all.
template <class Call>
struct bulk_layout {
  using E = typename Call::element;
  using own_tile = panelled_tile<E, Call::dim, Call::rows>;
  using passing_tile = panelled_tile<E, Call::dim, Call::cut.columns>;
  static constexpr int tensors = 2, stages = Call::cut.stages, slots = tensors * stages;
  static constexpr int passing_from = Call::own_tiles * own_tile::bytes, barriers_from = passing_from + slots * passing_tile::bytes;
  static constexpr int bytes = barriers_from + 2 * slots * static_cast<int>(sizeof(arrival_barrier));
  static_assert(Call::rows % 64 == 0, "basin: blocks of Hopper's generation hold 64 rows for each four warps");

  template <class M>
  static BASIN_DEVICE own_tile own(M const& m, int n) {
    return {m.shared() + n * own_tile::bytes};
  }
  template <class M>
  static BASIN_DEVICE passing_tile passing(M const& m, int n, int stage) {
    return {m.shared() + passing_from + (n * stages + stage) * passing_tile::bytes};
  }
  template <class M>
  static BASIN_DEVICE arrival_barrier* arrived(M const& m, int n, int stage) {
    return reinterpret_cast<arrival_barrier*>(m.shared() + barriers_from) + n * stages + stage;
  }
  template <class M>
  static BASIN_DEVICE arrival_barrier* left(M const& m, int n, int stage) {
    return arrived(m, n, stage) + slots;
  }
  /// By one thread, before a sync of the block.
  template <class M>
  static BASIN_DEVICE void start_barriers(M const& m) {
    for (int n = 0; n < tensors; ++n)
      for (int stage = 0; stage < stages; ++stage) {
        m.start(arrived(m, n, stage), 1);                        // the thread that fetches, and all bytes
        m.start(left(m, n, stage), Call::cut.warps);
      }
    m.barriers_started();
  }
};

/// How many tiles of a tensor one has met: which slot the next is in, and whether that slot's barrier is in an odd or an even phase.
struct met_tiles {
  int count = 0;
  template <int Stages>
  BASIN_DEVICE int stage() const { return count % Stages; }
  template <int Stages>
  BASIN_DEVICE int parity() const { return count / Stages % 2; }
};

/// The tiles as those see them who multiply.
template <class M, class Call>
class bulk_tiles {
 public:
  using layout = bulk_layout<Call>;
  using E = typename Call::element;
  using scores_type = typename Call::scores_type;
  static constexpr bool products_of_warps = false;
  static constexpr bool computes = true;

  BASIN_DEVICE bulk_tiles(M const& machine, Call const&) : m(machine), group(machine.same_in_warp(machine.thread() / 128)) {}

  template <class Keys, class There, class Row>
  BASIN_DEVICE void fetch_own(int n, Keys const& from, There const& there, Row const& row) const {
    copy_rows<Call::threads, Call::rows, Call::dim>(m, rows_of_keys(from), layout::own(m, n), there, row);
  }

  template <int Count, class First, class Second, class Next, class Meet>
  BASIN_DEVICE void over(First const&, Second const&, passing_rows const&, index start, index last, Next const& next, Meet const& meet) {
    show_own();
    for (index at = next(start); at < last; at = next(at + Call::cut.columns)) {
      BASIN_UNROLL
      for (int n = 0; n < Count; ++n) await(n);
      meet(at);
      BASIN_UNROLL
      for (int n = 0; n < Count; ++n) leave(n);
    }
  }

  /// Scores of the next tile are made while the weights of the last one are mixed. So `sums` are not to be touched by weigh(), but by lower().
  template <class First, class Second, class Next, class Weigh, class Lower>
  BASIN_DEVICE void over_mixing(First const&, Second const&, passing_rows const&, index start, index last, Next const& next, sums_of_warp<Call::dim / 8>& sums,
                                Weigh const& weigh, Lower const& lower) {
    show_own();
    index at = next(start);
    if (at >= last) return;
    if (takes_turns && group == groups - 1) give_turn();
    await(0);
    scores_type s = product(0);
    leave(0);
    for (bool mixing = false;; mixing = true) {
      weigh(at, s);
      auto weights = as_words(s);
      hold(weights);                                             // made before anybody waits
      m.template wait_for_all_products_but<0>();
      hold(sums);
      if (mixing) leave(1);
      lower();
      at = next(at + Call::cut.columns);
      if (at >= last) {
        await(1);
        start_mix(1, weights, sums);
        break;
      }
      await(0);
      if (takes_turns) m.sync_some(turn_of(group), 256);
      start_product(0, s);
      await(1);
      start_mix(1, weights, sums);
      if (takes_turns) give_turn();
      m.template wait_for_all_products_but<1>();
      hold(s);
      leave(0);
    }
    m.template wait_for_all_products_but<0>();
    hold(sums);
    leave(1);
    if (takes_turns && group == 0) m.sync_some(turn_of(0), 256);                         // the turn that nobody has taken
  }

  BASIN_DEVICE scores_type product(int n) const {
    scores_type s{no_numbers{}};
    start_product(n, s);
    m.template wait_for_all_products_but<0>();
    hold(s);
    return s;
  }
  BASIN_DEVICE two_products<scores_type> both_products() const {
    two_products<scores_type> s{scores_type(no_numbers{}), scores_type(no_numbers{})};
    start_product(0, s.first);
    start_product(1, s.second);
    m.template wait_for_all_products_but<0>();
    hold(s.first);
    hold(s.second);
    return s;
  }
  BASIN_DEVICE void mix(int n, scores_type const& w, sums_of_warp<Call::dim / 8>& sums) const {
    auto words = as_words(w);
    start_mix(n, words, sums);
    m.template wait_for_all_products_but<0>();
    hold(sums);
  }
  BASIN_DEVICE void mix_both(scores_type const& first, sums_of_warp<Call::dim / 8>& first_sums, scores_type const& second, sums_of_warp<Call::dim / 8>& second_sums) const {
    auto words = as_words(first), more_words = as_words(second);
    start_mix(0, words, first_sums);
    start_mix(1, more_words, second_sums);
    m.template wait_for_all_products_but<0>();
    hold(first_sums);
    hold(second_sums);
  }

 private:
  static constexpr int groups = Call::threads / 128;
  static constexpr bool takes_turns = Call::cut.in_turns && groups > 1;

  /// The barrier at which a group waits for its turn, which the group before it gives.
  static BASIN_DEVICE int turn_of(int whose) { return 2 + whose; }
  BASIN_DEVICE void give_turn() const { m.arrive_some(turn_of((group + 1) % groups), 256); }

  static constexpr int steps = Call::cut.columns / product_depth<E>;
  struct weights_type {
    words4 of[steps];
  };

  /// Own rows have been written by many threads, and are read by products.
  BASIN_DEVICE void show_own() const {
    m.commit();
    m.template wait_for_all_but<0>();
    m.show_writes();
    m.sync_some(1, Call::threads);
  }
  BASIN_DEVICE void await(int n) const { m.wait(layout::arrived(m, n, stage(n)), met[n].template parity<layout::stages>()); }
  BASIN_DEVICE void leave(int n) {
    if (m.thread() % 32 == 0) m.arrive(layout::left(m, n, stage(n)));
    ++met[n].count;
  }
  BASIN_DEVICE int stage(int n) const { return met[n].template stage<layout::stages>(); }

  static constexpr int along_rows = 16;                           // instead of what is from panel to panel, where a product reads one: unused

  BASIN_DEVICE shared_matrix passing(int n, int from_panel_to_panel) const {
    return shared_matrix::at(m.address(layout::passing(m, n, stage(n)).start), from_panel_to_panel);
  }
  BASIN_DEVICE void start_product(int n, scores_type& s) const {
    using own_tile = typename layout::own_tile;
    auto const own = shared_matrix::at(m.address(layout::own(m, n).start) + static_cast<std::uint32_t>(group * 64 * own_tile::row_bytes), along_rows);
    auto const by = passing(n, along_rows);
    m.begin_products();
    BASIN_UNROLL
    for (int k = 0; k < Call::dim; k += product_depth<E>) {
      int const panel = k / shared_matrix::panel, along = k % shared_matrix::panel * static_cast<int>(sizeof(E));
      m.template multiply<E, Call::cut.columns>(s.of, own + (panel * own_tile::panel_bytes + along), by + (panel * layout::passing_tile::panel_bytes + along), k > 0);
    }
    m.end_products();
  }
  BASIN_DEVICE void start_mix(int n, weights_type& w, sums_of_warp<Call::dim / 8>& sums) const {
    auto const by = passing(n, layout::passing_tile::panel_bytes);
    hold(sums);                                                  // as they stand now, and not later
    hold(w);
    m.begin_products();
    BASIN_UNROLL
    for (int k = 0; k < steps; ++k) m.template mix<E, Call::dim>(sums.of, w.of[k], by + k * product_depth<E> * layout::passing_tile::row_bytes);
    m.end_products();
  }
  BASIN_DEVICE weights_type as_words(scores_type const& w) const {
    weights_type words;
    BASIN_UNROLL
    for (int k = 0; k < steps; ++k) words.of[k] = as_operand<E>(m, w, k);
    return words;
  }
  template <int Tiles>
  BASIN_DEVICE void hold(sums_of_warp<Tiles>& sums) const {
    m.hold(sums.of);
  }
  BASIN_DEVICE void hold(weights_type& w) const { m.hold(w.of); }

  M const& m;
  int group;                                                     // of four warps, in the block
  met_tiles met[layout::tensors];
};

/// The tiles as the fetching warps see them: one thread of theirs asks for boxes, the others go by.
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
  BASIN_DEVICE void over(First const&, Second const&, passing_rows const& from, index start, index last, Next const& next, Meet const&) {
    if (m.thread() / 32 == Call::threads / 32)                   // next() may ask all lanes of a warp
      for (index at = next(start); at < last; at = next(at + Call::cut.columns)) {
        if (m.thread() % 32 != 0) continue;
        BASIN_UNROLL
        for (int n = 0; n < Count; ++n) fetch(n, from, at);
      }
    m.sync_warp();
  }
  template <class First, class Second, class Next, class Weigh, class Lower>
  BASIN_DEVICE void over_mixing(First const& first, Second const& second, passing_rows const& from, index start, index last, Next const& next, sums_of_warp<Call::dim / 8>&,
                                Weigh const& weigh, Lower const&) {
    over<2>(first, second, from, start, last, next, weigh);
  }
  BASIN_DEVICE scores_type product(int) const { return {}; }
  BASIN_DEVICE two_products<scores_type> both_products() const { return {}; }
  BASIN_DEVICE void mix(int, scores_type const&, sums_of_warp<Call::dim / 8>&) const {}
  BASIN_DEVICE void mix_both(scores_type const&, sums_of_warp<Call::dim / 8>&, scores_type const&, sums_of_warp<Call::dim / 8>&) const {}

 private:
  BASIN_DEVICE void fetch(int n, passing_rows const& from, index at) {
    using tile = typename layout::passing_tile;
    int const stage = met[n].template stage<layout::stages>();
    arrival_barrier* const arrived = layout::arrived(m, n, stage);
    m.wait(layout::left(m, n, stage), 1 - met[n].template parity<layout::stages>());
    m.arrive_expecting(arrived, tile::bytes);
    BASIN_UNROLL
    for (int panel = 0; panel < tile::panels; ++panel)
      m.copy_box(n, panel * shared_matrix::panel, static_cast<int>(at), static_cast<int>(from.head), from.batch, layout::passing(m, n, stage).start + panel * tile::panel_bytes, arrived);
    ++met[n].count;
  }

  M const& m;
  met_tiles met[layout::tensors];
};

/// The generation of kernels that Hopper runs: E of 16 bits, keys and values in one view that boxes can be copied from.
struct bulk {
  template <class M, class Call>
  using tiles = std::conditional_t<M::computes, bulk_tiles<M, Call>, bulk_fetcher<M, Call>>;
  template <class Call>
  static constexpr int shared_bytes = bulk_layout<Call>::bytes;
};

/// Threads of a block of this generation: those that compute, and one group that fetches.
template <class Call>
inline constexpr int threads_in_roles = Call::threads + 128;

/// A block in its two roles. `m` is a machine of those who compute; m.fetching() is the same for the one who fetches.
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
