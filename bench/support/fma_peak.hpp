// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The baseline: how many fused multiply-adds one thread computes if nothing else limits it.

#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include "basin/core/simd.hpp"

namespace bench {

/// Computes x <- x m + a in registers, in independent chains.
///
/// Twelve chains: on current processors a fused multiply-add takes 4 cycles and two can start in each cycle, so 8
/// chains suffice. Twelve leave a margin and, with both operands, fit the 16 registers of AVX2. Measured on a Sapphire
/// Rapids core, AVX-512, g++ 12: 185, 217, 216 and 215 GFLOP/s with 8, 12, 16 and 20 chains.
template <class T>
class fma_peak {
 public:
  static constexpr std::size_t chains = 12;
  using batch = basin::simd<T>;

  explicit fma_peak(long steps) : steps_(steps) {}

  double flops() const { return 2.0 * chains * batch::size * static_cast<double>(steps_); }

  void run() { run_chains(std::make_index_sequence<chains>{}); }

  /// With m = 1/2 and a = 1, every chain ends at its fixed point, 2.
  bool right() const { return std::fabs(result_ - T(2)) < T(1e-5); }

 private:
  /// The chains are unrolled here, because a loop over them that the compiler keeps would go through memory.
  template <std::size_t... c>
  void run_chains(std::index_sequence<c...>) {
    batch const m(factor_), a(addend_);                          // volatile, so not known at compile time
    batch x[chains] = {batch(static_cast<T>(c))...};
    for (long step = 0; step < steps_; ++step) ((x[c] = basin::math::fma(x[c], m, a)), ...);
    std::array<T, batch::size> lanes;
    (... + x[c]).store_unaligned(lanes.data());
    result_ = std::accumulate(lanes.begin(), lanes.end(), T(0)) / static_cast<T>(chains * batch::size);
  }

  long steps_;
  T volatile factor_ = T(0.5), addend_ = T(1);
  T result_ = 0;
};

}  // namespace bench
