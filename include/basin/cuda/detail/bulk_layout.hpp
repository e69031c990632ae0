// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The layout of tiles in shared memory on Hopper, and the barriers that say when tiles may be read and overwritten.

#include "basin/cuda/detail/tiles.hpp"
#include "basin/cuda/group_machine.hpp"

namespace basin::gpu::detail {

/// Rows of Dim 16-bit numbers in shared memory, in column panels (shared_matrix).
template <class E, int Dim, int Rows>
struct panelled_tile {
  static_assert(sizeof(E) == 2 && Dim % shared_matrix::panel == 0 && Rows % 8 == 0);
  static constexpr int panels = Dim / shared_matrix::panel, row_bytes = 128, panel_bytes = Rows * row_bytes;
  static constexpr int bytes = panels * panel_bytes;
  std::byte* start;

  /// The address of the 8 numbers of a row from `column` on.
  BASIN_DEVICE E* chunk(int row, int column) const {
    int const panel = column / shared_matrix::panel, n = column % shared_matrix::panel / 8;
    return reinterpret_cast<E*>(start + panel * panel_bytes + row * row_bytes + (n ^ (row % 8)) * 16);
  }
};

/// The shared memory of a block: resident tiles (`own`), streamed tiles (`passing`), and two barriers for each streamed
/// tile: `arrived`, when it has been loaded, and `left`, when all consumers have released it.
template <class Call>
struct bulk_layout {
  using E = typename Call::element;
  using own_tile = panelled_tile<E, Call::dim, Call::rows>;
  using passing_tile = panelled_tile<E, Call::dim, Call::cut.columns>;
  static constexpr int tensors = 2, stages = Call::cut.stages, slots = tensors * stages;
  static constexpr int passing_from = Call::own_tiles * own_tile::bytes;
  static constexpr int barriers_from = passing_from + slots * passing_tile::bytes;
  static constexpr int bytes = barriers_from + 2 * slots * static_cast<int>(sizeof(arrival_barrier));
  static_assert(Call::rows % 64 == 0, "basin: a block of the Hopper kernels needs 64 rows for each four warps");

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
  /// Called by one thread, before a sync of the block.
  template <class M>
  static BASIN_DEVICE void start_barriers(M const& m) {
    for (int n = 0; n < tensors; ++n)
      for (int stage = 0; stage < stages; ++stage) {
        m.start(arrived(m, n, stage), 1);                        // the loading thread, and all bytes
        m.start(left(m, n, stage), Call::cut.warps);
      }
    m.barriers_started();
  }
};

/// The number of tiles of a tensor so far. It gives the slot of the next tile and the parity of the phase of its
/// barrier.
struct met_tiles {
  int count = 0;
  template <int Stages>
  BASIN_DEVICE int stage() const { return count % Stages; }
  template <int Stages>
  BASIN_DEVICE int parity() const { return count / Stages % 2; }
};

}  // namespace basin::gpu::detail
