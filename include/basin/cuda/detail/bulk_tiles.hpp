// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Tiles on Hopper for the consumer warps.

#include "basin/cuda/detail/bulk_layout.hpp"

namespace basin::gpu::detail {

/// The consumer's side of a tile pipeline, four warps at a time: wait for a stage, multiply, release it.
template <class M, class Call>
class bulk_tiles {
 public:
  using layout = bulk_layout<Call>;
  using E = typename Call::element;
  using scores_type = typename Call::scores_type;
  static constexpr bool products_of_warps = false;
  static constexpr bool computes = true;

  BASIN_DEVICE bulk_tiles(M const& machine, Call const&)
      : m(machine), group(machine.same_in_warp(machine.thread() / 128)) {}

  template <class Keys, class There, class Row>
  BASIN_DEVICE void fetch_own(int n, Keys const& from, There const& there, Row const& row) const {
    copy_rows<Call::threads, Call::rows, Call::dim>(m, rows_of_keys(from), layout::own(m, n), there, row);
  }

  template <int Count, class First, class Second, class Next, class Meet>
  BASIN_DEVICE void over(First const&, Second const&, passing_rows const&, index_t start, index_t last,
                         Next const& next, Meet const& meet) {
    show_own();
    for (index_t row = next(start); row < last; row = next(row + Call::cut.columns)) {
      BASIN_UNROLL
      for (int n = 0; n < Count; ++n) await(n);
      meet(row);
      BASIN_UNROLL
      for (int n = 0; n < Count; ++n) leave(n);
    }
  }

  /// Computes the scores of the next tile while the weights of the last one are multiplied by the values. So weigh()
  /// must not touch `sums`; lower() may.
  template <class First, class Second, class Next, class Weigh, class Lower>
  BASIN_DEVICE void over_mixing(First const&, Second const&, passing_rows const&, index_t start, index_t last,
                                Next const& next, sums_of_warp<Call::dim / 8>& sums, Weigh const& weigh,
                                Lower const& lower) {
    show_own();
    index_t row = next(start);
    if (row >= last) return;
    if (takes_turns && group == groups - 1) give_turn();
    await(0);
    scores_type s = product(0);
    leave(0);
    for (bool mixing = false;; mixing = true) {
      weigh(row, s);
      auto weights = as_words(s);
      hold(weights);                                             // computed before any wait
      m.template wait_for_all_products_but<0>();
      hold(sums);
      if (mixing) leave(1);
      lower();
      row = next(row + Call::cut.columns);
      if (row >= last) {
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
    if (takes_turns && group == 0) m.sync_some(turn_of(0), 256);  // the last turn given, which no group has taken
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
  BASIN_DEVICE void mix_both(scores_type const& first, sums_of_warp<Call::dim / 8>& first_sums,
                             scores_type const& second, sums_of_warp<Call::dim / 8>& second_sums) const {
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

  /// The barrier at which a group waits for its turn. The group before it gives the turn.
  static BASIN_DEVICE int turn_of(int whose) { return 2 + whose; }
  BASIN_DEVICE void give_turn() const { m.arrive_some(turn_of((group + 1) % groups), 256); }

  static constexpr int steps = Call::cut.columns / product_depth<E>;
  struct weights_type {
    words4 of[steps];
  };

  /// Makes the resident rows, which all threads wrote, visible to products.
  BASIN_DEVICE void show_own() const {
    m.commit();
    m.template wait_for_all_but<0>();
    m.show_writes();
    m.sync_some(1, Call::threads);
  }
  BASIN_DEVICE void await(int n) const {
    m.wait(layout::arrived(m, n, stage(n)), met[n].template parity<layout::stages>());
  }
  BASIN_DEVICE void leave(int n) {
    if (m.thread() % 32 == 0) m.arrive(layout::left(m, n, stage(n)));
    ++met[n].count;
  }
  BASIN_DEVICE int stage(int n) const { return met[n].template stage<layout::stages>(); }

  static constexpr int along_rows = 16;                          // a dummy distance, for products within one panel

  BASIN_DEVICE shared_matrix passing(int n, int from_panel_to_panel) const {
    return shared_matrix::at(m.address(layout::passing(m, n, stage(n)).start), from_panel_to_panel);
  }
  BASIN_DEVICE void start_product(int n, scores_type& s) const {
    using own_tile = typename layout::own_tile;
    auto const first_row = static_cast<std::uint32_t>(group * 64 * own_tile::row_bytes);
    auto const own = shared_matrix::at(m.address(layout::own(m, n).start) + first_row, along_rows);
    auto const by = passing(n, along_rows);
    m.begin_products();
    BASIN_UNROLL
    for (int k = 0; k < Call::dim; k += product_depth<E>) {
      int const panel = k / shared_matrix::panel, along = k % shared_matrix::panel * static_cast<int>(sizeof(E));
      m.template multiply<E, Call::cut.columns>(s.of, own + (panel * own_tile::panel_bytes + along),
                                                by + (panel * layout::passing_tile::panel_bytes + along), k > 0);
    }
    m.end_products();
  }
  BASIN_DEVICE void start_mix(int n, weights_type& w, sums_of_warp<Call::dim / 8>& sums) const {
    auto const by = passing(n, layout::passing_tile::panel_bytes);
    hold(sums);                                                  // their values at this point
    hold(w);
    m.begin_products();
    BASIN_UNROLL
    for (int k = 0; k < steps; ++k)
      m.template mix<E, Call::dim>(sums.of, w.of[k], by + k * product_depth<E> * layout::passing_tile::row_bytes);
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

}  // namespace basin::gpu::detail
