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

/// The tuning of a kernel for numbers of `bytes` bytes and heads of `dim`: what fits 99 KiB of shared memory, which every
/// processor from sm_80 on has, sm_86 and sm_89 among them.
struct default_tuning {
  static constexpr tuning of(int bytes, int dim) {
    int const row = bytes * dim;                                 // bytes of a row: queries take 64 of them, keys and values 4 tiles
    return {4, row <= 128 ? 64 : row <= 256 ? 64 : row <= 512 ? 32 : 16, 2};
  }
};

/// The dims that kernels are made for; heads of other dims are padded with zeros up to the next.
constexpr int padded_dim(int dim) { return dim <= 32 ? 32 : dim <= 64 ? 64 : dim <= 96 ? 96 : dim <= 128 ? 128 : dim <= 192 ? 192 : 256; }

}  // namespace basin::gpu
