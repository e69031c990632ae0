// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/cuda/machine.hpp"

namespace basin::gpu {

namespace detail {
struct bulk;
}

/// The sizes of a kernel. They change speed and rounding, never what is computed.
struct tuning {
  int warps = 4;                        // of a block, 16 rows each
  int columns = 64;                     // keys (or queries) of a tile
  int stages = 2;                       // tiles of each tensor in shared memory: one in use, the others being loaded
  bool in_turns = false;                // Hopper: warp groups start products in turn; one multiplies, another weighs
  int by_multiply_adds = 0;             // one of so many exponentials of the forward pass uses multiply-adds; 0: none

  friend constexpr bool operator==(tuning const&, tuning const&) = default;
};

/// Tunings of the Hopper kernels (cuda/group_machine.hpp) for 16-bit numbers: two warp groups that compute, one that
/// loads, and tiles that fit 227 KiB. With heads of 64, exponentials would take longer than products, so one of eight
/// is computed by multiply-adds. A larger share would be limited by instruction issue. Not yet measured on a GPU.
struct hopper_tuning {
  using generation = detail::bulk;
  static constexpr int most_dim = 256;
  static constexpr tuning of(int, int dim) { return {8, dim <= 128 ? 128 : 64, 2, dim <= 128, dim <= 64 ? 8 : 0}; }
};
/// In the backward pass the sums of two gradients are kept in registers. Those of wider heads do not fit.
struct hopper_backward_tuning {
  using generation = detail::bulk;
  static constexpr int most_dim = 128;
  static constexpr tuning of(int, int) { return {8, 64, 2}; }
};

/// For decode() with so few rows (queries times heads of a group) that one warp holds them all. Memory bandwidth is the
/// limit, so blocks are small and many.
struct few_rows_tuning {
  static constexpr int rows = 16;
  static constexpr tuning of(int bytes, int dim) { return {1, bytes * dim <= 512 ? 32 : 16, 2}; }
};

/// The tuning of a kernel for numbers of `bytes` bytes and heads of `dim`. Queries and two tiles of keys and of values
/// fit 99 KiB of shared memory, which every processor from sm_80 on has. Not yet measured on a GPU.
/// `hopper`: used instead on a Hopper GPU, for 16-bit numbers in tensors that TMA can copy. A selector of your own
/// without it uses portable kernels everywhere.
/// `few_rows`: used by decode() where there are few rows.
struct default_tuning {
  using hopper = hopper_tuning;
  using few_rows = few_rows_tuning;
  /// The dims for which kernels are compiled. Heads of other dims are padded with zeros to the next one. A selector of
  /// your own with fewer dims compiles faster.
  static constexpr int dims[] = {64, 128, 256};
  static constexpr tuning of(int bytes, int dim) {
    int const row = bytes * dim;
    return {row <= 512 ? 4 : 2, row <= 256 ? 64 : row <= 512 ? 32 : 16, 2};
  }
};

/// The same with products of floats on tensor cores, operands rounded to TF32 (cuda/machine.hpp). It does not affect
/// 16-bit numbers.
struct tf32_tuning : default_tuning {
  using arithmetic = tf32;
};

/// The same for the backward pass, which keeps a row of dO beside each query and the sums of two gradients beside each
/// key.
struct default_backward_tuning {
  using hopper = hopper_backward_tuning;
  static constexpr int dims[] = {64, 128, 256};
  static constexpr tuning of(int bytes, int dim) {
    int const row = bytes * dim;
    return {row <= 512 ? 4 : 1, row <= 128 ? 64 : row <= 256 ? 32 : 16, 2};
  }
};

struct tf32_backward_tuning : default_backward_tuning {
  using arithmetic = tf32;
};

}  // namespace basin::gpu
