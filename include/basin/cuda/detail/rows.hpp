// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Rows of weights on a GPU. Four lanes of a warp share a row of a product, each with a part of its columns. Each keeps
// a part of the row's state; the normalizer's own merge joins the parts.

#include <cmath>
#include <cstring>
#include <cuda/std/bit>

#include "basin/concepts/normalizer.hpp"
#include "basin/cuda/machine.hpp"

namespace basin::gpu::detail {

/// Combines the values of the four lanes of a row by join(lower, higher); all get the same bits. Values are exchanged
/// and ordered word by word, so that they stay in registers.
template <class M, class T, class Join>
BASIN_DEVICE T over_row(M const& m, T mine, Join const& join) {
  static_assert(std::is_trivially_copyable_v<T>);
  BASIN_UNROLL
  for (int mask = 1; mask < 4; mask *= 2) {
    word low[(sizeof(T) + 3) / 4] = {}, high[(sizeof(T) + 3) / 4];
    std::memcpy(low, &mine, sizeof(T));
    bool const higher = (m.thread() & mask) != 0;
    BASIN_UNROLL
    for (std::size_t n = 0; n < (sizeof(T) + 3) / 4; ++n) {
      word const own = low[n], other = m.from_lane_xor(own, mask);
      low[n] = higher ? other : own, high[n] = higher ? own : other;
    }
    T lower = mine, upper = mine;
    std::memcpy(&lower, low, sizeof(T));
    std::memcpy(&upper, high, sizeof(T));
    mine = join(lower, upper);
  }
  return mine;
}

/// The largest number in the four lanes of a row. NaNs are ignored.
template <class M>
BASIN_DEVICE float largest_over_row(M const& m, float mine) {
  BASIN_UNROLL
  for (int mask = 1; mask < 4; mask *= 2) {
    word const other = m.from_lane_xor(cuda::std::bit_cast<word>(mine), mask);
    mine = std::fmax(mine, cuda::std::bit_cast<float>(other));
  }
  return mine;
}

/// The sum of the numbers in the four lanes of a row.
template <class M>
BASIN_DEVICE float sum_over_row(M const& m, float mine) {
  BASIN_UNROLL
  for (int mask = 1; mask < 4; mask *= 2)
    mine += cuda::std::bit_cast<float>(m.from_lane_xor(cuda::std::bit_cast<word>(mine), mask));
  return mine;
}
template <class M, class T, std::size_t Count>
BASIN_DEVICE cuda::std::array<T, Count> sum_over_row(M const& m, cuda::std::array<T, Count> const& mine) {
  return over_row(m, mine, [](auto a, auto const& b) {
    if constexpr (Count > 0)
      for (std::size_t n = 0; n < Count; ++n) a[n] += b[n];
    return a;
  });
}

template <class M, class N, class Row>
BASIN_DEVICE Row merged_over_row(M const& m, N const& n, Row const& part) {
  return over_row(m, part, [&](Row a, Row const& b) {
    n.merge(a, b);
    return a;
  });
}

/// A finished row, as later kernels read it. Where unnormalised weights are exponentials, log2 of a weight is a linear
/// function of the score.
template <class N>
struct kept_row {
  row_of<N, float> row;
  float factor;
};
template <exponential_normalizer N>
struct kept_row<N> {
  row_of<N, float> row;
  float factor;
  exponent_line<float> line;
};

template <class N>
BASIN_DEVICE kept_row<N> keep_row(N const& n, row_of<N, float> const& row, float factor) {
  if constexpr (exponential_normalizer<N>) {
    auto const line = n.exponent(row);
    return {row, factor, {line.slope, line.offset - math::log2(factor)}};
  } else {
    return {row, factor};
  }
}

/// The weight of one score in a kept row. It is 0 where a key is hidden, even if the row contains a NaN.
template <class N>
BASIN_DEVICE float weight_in(N const& n, kept_row<N> const& kept, float score) {
  if (score == math::minus_inf<float>()) return 0.0f;
  if constexpr (exponential_normalizer<N>) {
    return math::exp2(math::fma(kept.line.slope, score, -kept.line.offset));
  } else if constexpr (has_terms<N>) {
    float const term = n.term(kept.row, score);
    return term == 0.0f ? 0.0f : kept.factor * term;
  } else {
    return n.weight(kept.row, score);
  }
}

}  // namespace basin::gpu::detail
