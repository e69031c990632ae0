// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a kernel needs of the machine on which it runs. Bodies of kernels are plain function templates over the machine,
// in .hpp files. The GPU (cuda/device.cuh) is one machine; tests run the same bodies on the host, one fiber a thread.

#include <concepts>
#include <cstdint>
#include <cuda/std/array>
#include <type_traits>

#include "basin/core/half.hpp"
#include "basin/core/view.hpp"

namespace basin::gpu {

/// The unit of exchange between lanes and of operands of matrix products: one float, or two 16-bit numbers.
using word = std::uint32_t;
using words2 = cuda::std::array<word, 2>;
using words4 = cuda::std::array<word, 4>;

/// The arithmetic of products of floats whose operands are rounded to TF32, with a relative error of 2^-11 each, at the
/// speed of tensor cores. A selector names it to choose it (tf32_tuning).
struct tf32 {
  float number;
};

/// A machine runs blocks of threads, 32 of them a warp.
///
/// Requires  thread(): number of the thread in the block; block(): number of the block;
///           shared(): memory of the block, 16-byte aligned;
///           sync(): barrier of all threads of the block;
///           any(bool): whether it is true in any thread of the block, with a sync();
///           any_of_warp(bool): whether it is true in any lane of the warp;
///           from_lane_xor(word, mask): the word of lane (own lane ^ mask);
///           copy_async(shared, global, there): copies 16 bytes asynchronously, zeros if not `there`;
///           commit(): ends a group of copies;
///           wait_for_all_but<N>(): waits until all but the last N groups of this thread have arrived. They are then
///           visible to this thread; other threads need a sync();
///           load_matrices(row): loads four matrices of 8 rows of 16 bytes. Lane l passes row l % 8 of matrix l / 8 and
///           gets word l % 4 of row l / 4 of each matrix;
///           load_matrices_transposed(row): the same for 16-bit numbers, transposed: lane l gets numbers 2 (l % 4) and
///           2 (l % 4) + 1 of column l / 4;
///           pack<E>(low, high): two floats rounded to 16 bits, in a word;
///           multiply_add<E>(sums, a, b): the product of one instruction, below
/// Laws      all threads of a warp make the same calls in the same order, all threads of a block the same calls of
///           sync()
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

/// The product of one instruction: C [16, 8] += A [16, depth] B [depth, 8], distributed over the lanes of a warp. With
/// g = lane / 4 and t = lane % 4, a lane holds
///   C  sums 0, 1: row g, columns 2 t and 2 t + 1; sums 2, 3: the same of row g + 8
///   A  words 0, 1: rows g and g + 8, word t; words 2, 3: the same, word t + 4
///   B  words 0, 1: words t and t + 4 of column g
/// where a word is two neighbouring 16-bit numbers along a depth of 16, or one float along a depth of 8.
///
/// E is the type to which operands are rounded: 16-bit numbers, two a word; float, whose products are exact up to fp32
/// rounding; or tf32, for which floats are rounded to 10 mantissa bits, ties away from 0.
template <class E>
inline constexpr int product_depth = 32 / static_cast<int>(sizeof(E));

}  // namespace basin::gpu
