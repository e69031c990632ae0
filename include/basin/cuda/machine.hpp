// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a kernel may ask of the machine it runs on. Bodies of kernels are plain function templates over the machine, in .hpp files:
// the GPU (cuda/device.cuh) is one machine, tests run the same bodies on the host with one fiber a thread.

#include <concepts>
#include <cstdint>
#include <cuda/std/array>
#include <type_traits>

#include "basin/core/half.hpp"
#include "basin/core/view.hpp"

namespace basin::gpu {

/// A word as lanes exchange it, and as operands of matrix products are held: one float, or two numbers of 16 bits.
using word = std::uint32_t;
using words2 = cuda::std::array<word, 2>;
using words4 = cuda::std::array<word, 4>;

/// The arithmetic of products of floats whose operands are rounded to TF32: a relative error of 2^-11 each, at the speed of tensor cores. A
/// selector that names it (tf32_tuning) asks for it.
struct tf32 {
  float number;
};

/// A machine runs blocks of threads, 32 of them a warp.
///
/// Requires  thread(): number in the block; block(): number of the block; shared(): memory of the block, 16-byte aligned; sync():
///           all threads of the block; any(bool): whether it is true in a thread of the block, a sync as well;
///           any_of_warp(bool): whether it is true in a lane of the warp;
///           from_lane_xor(word, mask): what another lane of the warp holds;
///           copy_async(shared, global, there): 16 bytes, or zeros where they are not there, in the background; commit(): ends a group of copies; wait_for_all_but<N>(): until
///           all but the last N groups of this thread have arrived, for this thread: others need a sync();
///           load_matrices(row): four matrices of 8 rows of 16 bytes, lane l names row l % 8 of matrix l / 8; lane l gets word l % 4
///           of row l / 4 of each; load_matrices_transposed(row): numbers of 16 bits, those 2 (l % 4) and its neighbour of column l / 4;
///           pack<E>(low, high): two floats rounded to 16 bits in a word; multiply_add<E>(sums, a, b): the product of one
///           instruction, below
/// Laws      every thread of a warp makes the same calls in the same order, and every thread of a block the same sync()s
template <class M>
concept machine = requires(M const m, word w, std::byte* shared, std::byte const* from, cuda::std::array<float, 4> sums,
                           words4 a, words2 b) {
  { m.thread() } -> std::same_as<int>;
  { m.block() } -> std::same_as<index_t>;
  { m.shared() } -> std::same_as<std::byte*>;
  m.sync();
  { m.any(true) } -> std::same_as<bool>;
  { m.any_of_warp(true) } -> std::same_as<bool>;
  { m.from_lane_xor(w, 1) } -> std::same_as<word>;
  m.copy_async(shared, from, true);
  m.commit();
  m.template wait_for_all_but<1>();
  { m.load_matrices(from) } -> std::same_as<words4>;
  { m.load_matrices_transposed(from) } -> std::same_as<words4>;
  { m.template pack<bfloat16>(0.0f, 0.0f) } -> std::same_as<word>;
  m.template multiply_add<float>(sums, a, b);
  m.template multiply_add<tf32>(sums, a, b);
};

/// The product of one instruction: C [16, 8] += A [16, depth] B [depth, 8], spread over the lanes of a warp. With g = lane / 4 and
/// t = lane % 4 a lane holds
///   C  sums 0, 1: row g, columns 2 t and 2 t + 1; sums 2, 3: the same of row g + 8
///   A  words 0, 1: rows g and g + 8, word t; words 2, 3: the same, word t + 4
///   B  words 0, 1: words t and t + 4 of column g
/// where a word is two neighbouring numbers of 16 bits along the depth of 16, or one float along a depth of 8.
///
/// E is what the operands are rounded to: 16-bit numbers, which words hold in pairs; float, whose products are exact to rounding of fp32; or tf32,
/// for which floats are rounded to 10 bits behind the point, ties away from 0.
template <class E>
inline constexpr int product_depth = 32 / static_cast<int>(sizeof(E));

}  // namespace basin::gpu
