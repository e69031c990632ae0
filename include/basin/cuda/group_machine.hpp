// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a kernel needs of a Hopper machine beside cuda/machine.hpp: TMA copies of boxes, barriers that count bytes, and
// asynchronous products of four warps.

#include "basin/cuda/machine.hpp"

namespace basin::gpu {

/// A descriptor of a matrix of 16-bit numbers in shared memory, as wgmma reads it (PTX ISA, "Matrix Descriptor"). The
/// matrix is divided into column panels of 64 numbers (128 bytes). In a panel, chunk c of 16 bytes of row r is stored
/// at chunk c ^ (r % 8) (128-byte swizzle). Panels begin at multiples of 1024 bytes.
struct shared_matrix {
  static constexpr int panel = 64, atom = 1024;                  // numbers of a row of a panel; bytes of 8 such rows

  std::uint32_t low;                                             // start address; bytes from panel to panel
  static constexpr std::uint32_t high = atom / 16 | 1u << 30;    // bytes from 8 rows to the next 8; 128-byte swizzle

  /// `address` in shared memory; `from_panel_to_panel` in bytes, for products that read several panels.
  static BASIN_HD constexpr shared_matrix at(std::uint32_t address, int from_panel_to_panel) {
    return {(address & 0x3ffff) >> 4 | static_cast<std::uint32_t>(from_panel_to_panel) / 16 << 16};
  }
  /// The descriptor of the matrix that begins `bytes` later.
  BASIN_HD constexpr shared_matrix operator+(int bytes) const { return {low + static_cast<std::uint32_t>(bytes / 16)}; }
};

/// An mbarrier in shared memory.
struct alignas(8) arrival_barrier {
  std::uint64_t opaque;
};

/// A machine whose warps form groups of four. All threads of a group make the same calls in the same order.
///
/// Requires  address(shared): the address that descriptors contain;
///           start(barrier, arrivals), barriers_started(): initialise barriers, by one thread, before a sync();
///           arrive(barrier); arrive_expecting(barrier, bytes): a phase ends when all threads and all bytes have
///           arrived; wait(barrier, parity): until the phase of this parity has ended; the phase before the first
///           counts as ended; copy_box(tensor, column, row, head, batch, to, barrier): copies a box of 64 columns and
///           some rows, zeros beyond the tensor;
///           show_writes(): makes this thread's writes to shared memory visible to products and copies that start after
///           the next sync;
///           sync_some(barrier number, threads): a barrier for some threads of the block; arrive_some(likewise):
///           arrives there and does not wait; sync_warp(): a barrier of the warp;
///           same_in_warp(number): a number that all lanes hold, uniform for the compiler;
///           begin_products(): orders earlier register and memory accesses before products;
///           multiply<E, N>(sums, a, b, add): [64, 16] by [N, 16]^T, both in shared memory, row-major;
///           mix<E, N>(sums, a, b): [64, 16] in registers by [16, N] in shared memory;
///           end_products(): commits the products since the last commit as a set;
///           wait_for_all_products_but<Sets>(): until at most the last Sets sets are pending;
///           hold(sums or words): the compiler moves no access to them across this call
template <class M>
concept group_machine = machine<M> && requires(M const m, arrival_barrier* barrier, std::byte* shared,
                                               cuda::std::array<float, 4> (&sums)[8], shared_matrix b, words4 a,
                                               words4 (&words)[4]) {
  { m.address(shared) } -> std::same_as<std::uint32_t>;
  m.start(barrier, 1);
  m.barriers_started();
  m.arrive(barrier);
  m.arrive_expecting(barrier, 1);
  m.wait(barrier, 0);
  m.copy_box(0, 0, 0, 0, 0, shared, barrier);
  m.show_writes();
  m.sync_some(1, 128);
  m.arrive_some(1, 128);
  m.sync_warp();
  { m.same_in_warp(1) } -> std::same_as<int>;
  m.begin_products();
  m.template multiply<bfloat16, 64>(sums, b, b, true);
  m.template mix<bfloat16, 64>(sums, a, b);
  m.end_products();
  m.template wait_for_all_products_but<0>();
  m.hold(sums);
  m.hold(words);
};

/// The accumulators of a product of a group: each warp holds 16 rows. A lane holds them as it holds the sums of
/// mma.sync, columns 8 n + ... in sums[n], and A in registers likewise.

}  // namespace basin::gpu
