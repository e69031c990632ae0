// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a kernel may ask of a machine of Hopper's generation besides: an engine that copies boxes of tensors, barriers that count bytes, and
// products that four warps start together and wait for later.

#include "basin/cuda/machine.hpp"

namespace basin::gpu {

/// Where a matrix of numbers of 16 bits lies in shared memory, as products of four warps read it (PTX ISA, "Matrix Descriptor"). It is cut
/// in panels of 64 numbers, 128 bytes, a row; in a panel chunk c of 16 bytes of row r stands at chunk c ^ (r % 8). Panels begin at multiples of
/// 1024 bytes.
struct shared_matrix {
  static constexpr int panel = 64, atom = 1024;                  // numbers of a row of a panel; bytes of 8 such rows

  std::uint32_t low;                                             // where it begins, and from panel to panel
  static constexpr std::uint32_t high = atom / 16 | 1u << 30;    // from 8 rows to the next 8; chunks of 128 bytes trade places

  /// `address` in shared memory; `from_panel_to_panel` in bytes, where the product reads several side by side.
  static BASIN_HD constexpr shared_matrix at(std::uint32_t address, int from_panel_to_panel) {
    return {(address & 0x3ffff) >> 4 | static_cast<std::uint32_t>(from_panel_to_panel) / 16 << 16};
  }
  /// The same matrix some bytes on.
  BASIN_HD constexpr shared_matrix operator+(int bytes) const { return {low + static_cast<std::uint32_t>(bytes / 16)}; }
};

/// What a barrier in shared memory is to those who do not look inside.
struct alignas(8) arrival_barrier {
  std::uint64_t opaque;
};

/// A machine with four warps to a group. Threads of a group make the same calls in the same order.
///
/// Requires  address(shared): as descriptors have it;
///           start(barrier, arrivals), barriers_started(): by one thread, before a sync();
///           arrive(barrier); arrive_expecting(barrier, bytes): a phase ends when all have arrived and all bytes are there;
///           wait(barrier, parity): until the phase of this parity has ended; the phase before the first counts as ended;
///           copy_box(tensor, panel of the row, row, head, batch, to, barrier): a box of 64 numbers of some rows, zeros beyond the tensor;
///           show_writes(): what this thread wrote to shared memory is seen by products and copies that start after the next sync;
///           sync_some(barrier number, threads), arrive_some(likewise): some threads of the block meet, or are not waited for beyond their
///           coming; sync_warp(): those of the warp; same_in_warp(number): what all lanes hold, known as such to the compiler;
///           begin_products(): registers and memory are ready; multiply<E, N>(sums, a, b, add): [64, 16] by [N, 16]^T, both in shared memory,
///           along their rows; mix<E, N>(sums, a, b): [64, 16] in registers by [16, N] in shared memory; end_products(): closes a set of them;
///           wait_for_all_products_but<Sets>(); hold(sums or words): the compiler moves nothing that touches them across here
template <class M>
concept group_machine = machine<M> && requires(M const m, arrival_barrier* barrier, std::byte* shared, cuda::std::array<float, 4> (&sums)[8], shared_matrix b, words4 a, words4 (&words)[4]) {
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

/// The accumulators of a product of a group: a thread holds of its warp's 16 rows what it holds of the sums of mma.sync, columns 8 n + ... in
/// sums[n]; A in registers is held as there, too.

}  // namespace basin::gpu
