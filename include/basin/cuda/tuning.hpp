// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/cuda/machine.hpp"

namespace basin::gpu {

namespace detail {
struct bulk;
}

/// How a kernel is cut up. It changes speed and rounding, never what is computed.
struct tuning {
  int warps = 4;                        // of a block, 16 rows each
  int columns = 64;                     // keys (or queries) that a block takes in at once
  int stages = 2;                       // tiles of each tensor in shared memory: one at work, the others on their way
  bool in_turns = false;                // Hopper: groups start their products in turn, so that one multiplies while another weighs
  int by_multiply_adds = 0;             // of so many exponentials of the forward pass one is made by multiply-adds; 0: none

  friend constexpr bool operator==(tuning const&, tuning const&) = default;
};

/// Tunings of Hopper's generation (cuda/group_machine.hpp) for numbers of 16 bits: two groups of four warps that compute, one that fetches, and
/// what of tiles fits 227 KiB. With heads of 64 the unit for exponentials would be slower than the products; of eight, one is made without
/// it, and no more, as instructions become scarce. Not yet measured on a GPU.
struct hopper_tuning {
  using generation = detail::bulk;
  static constexpr int most_dim = 256;
  static constexpr tuning of(int, int dim) { return {8, dim <= 128 ? 128 : 64, 2, dim <= 128, dim <= 64 ? 8 : 0}; }
};
/// In the backward pass sums of two gradients stand in registers; those of wider heads do not fit.
struct hopper_backward_tuning {
  using generation = detail::bulk;
  static constexpr int most_dim = 128;
  static constexpr tuning of(int, int) { return {8, 64, 2}; }
};

/// For decode() of so few rows (queries times heads of a group) that one warp holds them all: what is read decides, so many small blocks.
struct few_rows_tuning {
  static constexpr int rows = 16;
  static constexpr tuning of(int bytes, int dim) { return {1, bytes * dim <= 512 ? 32 : 16, 2}; }
};

/// The tuning of a kernel for numbers of `bytes` bytes and heads of `dim`: queries and two tiles of keys and of values fit 99 KiB of
/// shared memory, which every processor from sm_80 on has. Not yet measured on a GPU. `hopper`: what is taken instead on such a GPU, for
/// numbers of 16 bits in tensors that boxes can be copied from; a selector of your own without it takes portable kernels everywhere.
/// `few_rows`: what decode() takes where there are few.
struct default_tuning {
  using hopper = hopper_tuning;
  using few_rows = few_rows_tuning;
  /// The dims that kernels are made for; heads of other dims are padded with zeros up to the next. A selector of your own with fewer of
  /// them compiles sooner.
  static constexpr int dims[] = {64, 128, 256};
  static constexpr tuning of(int bytes, int dim) {
    int const row = bytes * dim;
    return {row <= 512 ? 4 : 2, row <= 256 ? 64 : row <= 512 ? 32 : 16, 2};
  }
};

/// The same with products of floats on tensor cores, their operands rounded to TF32 (cuda/machine.hpp). Numbers of 16 bits are not concerned.
struct tf32_tuning : default_tuning {
  using arithmetic = tf32;
};

/// The same for the backward pass, which keeps a row of dO beside each query and sums of two gradients beside each key.
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
