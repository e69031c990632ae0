// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Random numbers and rows of scores for tests. The generator is not the library's, so that no test takes its input from
// the code under test.

#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

namespace basin_test {

inline constexpr double inf = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Splitmix64 (Steele, Lea and Flood 2014).
struct splitmix {
  std::uint64_t state = 0;
  std::uint64_t operator()() {
    std::uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
};

/// A number in (0, 1).
inline double uniform_number(splitmix& rng) { return (static_cast<double>(rng() >> 11) + 0.5) * 0x1p-53; }

inline double normal_number(splitmix& rng) {
  double const radius = std::sqrt(-2 * std::log(uniform_number(rng)));
  return radius * std::cos(2 * std::numbers::pi * uniform_number(rng));
}

/// Kinds of rows of scores.
enum class row_kind { smooth, tied, far_apart };

inline char const* name_of(row_kind kind) {
  switch (kind) {
    case row_kind::smooth: return "smooth";
    case row_kind::tied: return "tied";
    default: return "far apart";
  }
}

/// n scores: normal numbers of deviation 2; multiples of 1/2, most of which occur several times; or numbers up to
/// +-1e4. They are exact in float, also after a shift by a small integer.
inline std::vector<double> row_of_scores(row_kind kind, std::uint64_t seed, std::size_t n) {
  splitmix rng{seed * 1000003 + static_cast<std::uint64_t>(kind)};
  std::vector<double> scores(n);
  for (double& s : scores) {
    if (kind == row_kind::smooth) s = std::round(2 * normal_number(rng) * 0x1p16) * 0x1p-16;
    if (kind == row_kind::tied) s = std::round(2 * normal_number(rng)) * 0.5;
    if (kind == row_kind::far_apart) s = std::round((uniform_number(rng) - 0.5) * 2e4 * 64) / 64;
  }
  return scores;
}

template <class T>
std::vector<T> in_type(std::vector<double> const& scores) {
  std::vector<T> out;
  for (double const s : scores) out.push_back(static_cast<T>(s));
  return out;
}

}  // namespace basin_test
