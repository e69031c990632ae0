// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

namespace basin::gpu {

/// How a kernel is cut up. It changes speed and rounding, never what is computed.
struct tuning {
  int warps = 4;                        // of a block, 16 rows each
  int columns = 64;                     // keys (or queries) that a block takes in at once
  int stages = 2;                       // tiles of keys in shared memory: one at work, the others on their way

  friend constexpr bool operator==(tuning const&, tuning const&) = default;
};

/// The tuning of a kernel for numbers of `bytes` bytes and heads of `dim`: queries and two tiles of keys and of values fit 99 KiB of
/// shared memory, which every processor from sm_80 on has. Not yet measured on a GPU.
struct default_tuning {
  /// The dims that kernels are made for; heads of other dims are padded with zeros up to the next. A selector of your own with fewer of
  /// them compiles sooner.
  static constexpr int dims[] = {64, 128, 256};
  static constexpr tuning of(int bytes, int dim) {
    int const row = bytes * dim;
    return {row <= 512 ? 4 : 2, row <= 256 ? 64 : row <= 512 ? 32 : 16, 2};
  }
};

/// The same for the backward pass, which keeps a row of dO beside each query and sums of two gradients beside each key.
struct default_backward_tuning {
  static constexpr int dims[] = {64, 128, 256};
  static constexpr tuning of(int bytes, int dim) {
    int const row = bytes * dim;
    return {row <= 512 ? 4 : 1, row <= 128 ? 64 : row <= 256 ? 32 : 16, 2};
  }
};

}  // namespace basin::gpu
