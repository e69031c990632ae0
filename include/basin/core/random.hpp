// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A counter-based generator: number n depends on (seed, n) alone, so a stream can be saved, resumed, split and drawn on
// a device. The standard's distributions differ between libraries; the few that are needed are defined here.

#include <cmath>
#include <cstdint>
#include <cuda/std/array>
#include <limits>
#include <numbers>

#include "basin/config.hpp"

namespace basin {

/// Philox4x32-10, one 32-bit word a call.
///
/// Models    std::uniform_random_bit_generator
/// Source    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3 and table 2
/// State     seed, position; 16 bytes; store both to resume at the same number
/// Cost      10 rounds for every fourth word
struct philox {
  using result_type = std::uint32_t;

  constexpr philox() = default;
  BASIN_HD constexpr explicit philox(std::uint64_t seed, std::uint64_t position = 0) : stream(seed), next(position) {}

  BASIN_HD constexpr std::uint64_t seed() const { return stream; }
  BASIN_HD constexpr std::uint64_t position() const { return next; }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  BASIN_HD constexpr result_type operator()() {
    if (block_of != next / 4) {
      block_of = next / 4;
      block = words(stream, block_of);
    }
    return block[next++ % 4];
  }

  /// The four words of block `counter` of stream `seed`.
  BASIN_HD static constexpr cuda::std::array<std::uint32_t, 4> words(std::uint64_t seed, std::uint64_t counter) {
    cuda::std::array<std::uint32_t, 4> c{std::uint32_t(counter), std::uint32_t(counter >> 32), 0, 0};
    std::uint32_t k0 = std::uint32_t(seed), k1 = std::uint32_t(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      std::uint64_t const p0 = std::uint64_t{0xD2511F53} * c[0];
      std::uint64_t const p1 = std::uint64_t{0xCD9E8D57} * c[2];
      c = {std::uint32_t(p1 >> 32) ^ c[1] ^ k0, std::uint32_t(p1), std::uint32_t(p0 >> 32) ^ c[3] ^ k1,
           std::uint32_t(p0)};
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    return c;
  }

 private:
  std::uint64_t stream = 0, next = 0;
  cuda::std::array<std::uint32_t, 4> block{};
  std::uint64_t block_of = ~std::uint64_t{0};
};

/// A number in [0, 1) with 53 random bits.
template <class Rng>
double uniform(Rng& rng) {
  std::uint64_t const high = rng(), low = rng();
  return static_cast<double>((high << 21) ^ (low >> 11)) * 0x1p-53;
}

/// A whole number in {0, ..., n - 1}, without bias; n >= 1.
template <class Rng>
std::uint32_t below(Rng& rng, std::uint32_t n) {
  std::uint32_t const reject = (0u - n) % n;  // Lemire 2019: words that would make small numbers more likely
  for (;;) {
    std::uint64_t const product = std::uint64_t{rng()} * n;
    if (static_cast<std::uint32_t>(product) >= reject) return static_cast<std::uint32_t>(product >> 32);
  }
}

/// A standard normal number (Box-Muller). The second number of the pair is discarded, so that no state but the position
/// exists.
template <class Rng>
double normal(Rng& rng) {
  double const radius = std::sqrt(-2 * std::log(1 - uniform(rng)));
  return radius * std::cos(2 * std::numbers::pi * uniform(rng));
}

}  // namespace basin
