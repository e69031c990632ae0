// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Rows of weights on a GPU: four lanes of a warp hold a row of a product, each its part of the columns. So each keeps a part of the
// row's state, and parts are merged by the normalizer's own merge.

#include <cstring>

#include "basin/concepts/normalizer.hpp"
#include "basin/cuda/machine.hpp"

namespace basin::gpu::detail {

/// What the lane with another number holds of a value, word by word.
template <class M, class T>
BASIN_DEVICE T from_lane_xor(M const& m, T const& mine, int mask) {
  static_assert(std::is_trivially_copyable_v<T>);
  word words[(sizeof(T) + 3) / 4] = {};
  std::memcpy(words, &mine, sizeof(T));
  for (word& w : words) w = m.from_lane_xor(w, mask);
  T other = mine;
  std::memcpy(&other, words, sizeof(T));
  return other;
}

/// join(lower, higher) over the four lanes of a row: the same bits in each.
template <class M, class T, class Join>
BASIN_DEVICE T over_row(M const& m, T mine, Join const& join) {
  for (int mask = 1; mask < 4; mask *= 2) {
    T const other = from_lane_xor(m, mine, mask);
    bool const higher = (m.thread() & mask) != 0;
    mine = join(higher ? other : mine, higher ? mine : other);
  }
  return mine;
}

/// The sums of numbers that the four lanes of a row hold.
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

/// A finished row, as later kernels read it.
template <class N>
struct kept_row {
  row_of<N, float> row;
  float factor;
};

/// The weight of one score in a kept row, 0 where a key is not seen, even in a row that a NaN has spoiled.
template <class N>
BASIN_DEVICE float weight_in(N const& n, kept_row<N> const& kept, float score) {
  if (score == math::minus_inf<float>()) return 0.0f;
  if constexpr (has_terms<N>) {
    float const term = n.term(kept.row, score);
    return term == 0.0f ? 0.0f : kept.factor * term;
  } else {
    return n.weight(kept.row, score);
  }
}

}  // namespace basin::gpu::detail
