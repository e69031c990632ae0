// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The two-sample Kolmogorov-Smirnov test (do two samples come from one distribution?), and the critical N of
// arXiv 2508.17821, algorithm 3: the N from which the test no longer separates true from expected distances of heads.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <span>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

namespace basin::theory {

/// D = sup_x |F_a(x) - F_b(x)| of the two empirical distributions; a value that occurs in both is compared once.
///
/// Source    Smirnov 1939; as scipy.stats.ks_2samp
/// Cost      n log n
/// Errors    shape_error: an empty sample; value_error: a NaN
inline double ks_statistic(std::span<double const> a, std::span<double const> b) {
  if (a.empty() || b.empty())
    throw shape_error(message("basin::theory::ks_statistic: samples of ", a.size(), " and ", b.size(),
                              " numbers; each needs at least 1"));
  std::vector<double> x(a.begin(), a.end()), y(b.begin(), b.end());
  for (auto const* sample : {&x, &y})
    for (double const v : *sample)
      if (std::isnan(v))
        throw value_error("basin::theory::ks_statistic: a sample contains a NaN; leave out undefined values");
  std::sort(x.begin(), x.end());
  std::sort(y.begin(), y.end());
  double most = 0;
  std::size_t i = 0, j = 0;
  while (i < x.size() && j < y.size()) {
    double const here = std::min(x[i], y[j]);
    while (i < x.size() && x[i] == here) ++i;
    while (j < y.size() && y[j] == here) ++j;
    double const below_a = static_cast<double>(i) / static_cast<double>(x.size());
    double const below_b = static_cast<double>(j) / static_cast<double>(y.size());
    most = std::max(most, std::abs(below_a - below_b));
  }
  return most;
}

/// The D above which equality is rejected at `level`, for large samples:
/// sqrt(-log(level / 2) / 2) sqrt((n + m) / (n m)).
/// 144 heads against 144: 0.1919 at 0.01, 0.1600 at 0.05.
///
/// Errors    value_error: a level outside (0, 1), an empty sample
inline double ks_threshold(double level, index_t n, index_t m) {
  if (!(level > 0 && level < 1) || n < 1 || m < 1)
    throw value_error(message("basin::theory::ks_threshold: level ", level, ", samples of ", n, " and ", m,
                              "; the level must lie between 0 and 1, and a sample must have at least 1 number"));
  double const a = static_cast<double>(n), b = static_cast<double>(m);
  return std::sqrt(-0.5 * std::log(level / 2)) * std::sqrt((a + b) / (a * b));
}

/// The probability of a D at least this large if the distributions are equal, for large samples: the series of
/// Kolmogorov, 2 sum_k (-1)^(k-1) exp(-2 k^2 x^2) with x = D sqrt(n m / (n + m)).
///
/// Precision 1e-12 (unit/theory/fixtures.test.cpp)
inline double ks_probability(double statistic, index_t n, index_t m) {
  double const a = static_cast<double>(n), b = static_cast<double>(m), x = statistic * std::sqrt(a * b / (a + b));
  if (x < 1) {                                                   // the same function by a series that converges here
    if (x < 0.04) return 1;
    double below = 0;
    for (int k = 1; k < 12; k += 2) below += std::exp(-k * k * std::numbers::pi * std::numbers::pi / (8 * x * x));
    return std::clamp(1 - std::sqrt(2 * std::numbers::pi) / x * below, 0.0, 1.0);
  }
  double sum = 0;
  for (int k = 1; k < 12; ++k) sum += (k % 2 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
  return std::clamp(sum, 0.0, 1.0);
}

/// The first N for which the test does not separate true from expected distances (one of each per head), if any.
///
/// Source    arXiv 2508.17821, algorithm 3 (level 0.05 there, 0.01 in its text and caption)
/// Shapes    counts [N]; measured and expected [N, heads]
/// Errors    shape_error: extents that differ
inline std::optional<index_t> critical_count(std::span<index_t const> counts, view<double const, 2> measured,
                                             view<double const, 2> expected, double level) {
  index_t const rows = static_cast<index_t>(counts.size()), heads = measured.extent(1);
  if (measured.extent(0) != rows || expected.extent(0) != rows || expected.extent(1) != heads)
    throw shape_error(message("basin::theory::critical_count: ", rows, " counts, measured [", measured.extent(0), ", ",
                              heads, "], expected [", expected.extent(0), ", ", expected.extent(1),
                              "]; both need [counts, heads]"));
  double const limit = ks_threshold(level, heads, heads);
  std::vector<double> a(static_cast<std::size_t>(heads)), b(a.size());
  for (index_t n = 0; n < rows; ++n) {
    for (index_t h = 0; h < heads; ++h) {
      a[static_cast<std::size_t>(h)] = measured(n, h);
      b[static_cast<std::size_t>(h)] = expected(n, h);
    }
    if (ks_statistic(a, b) <= limit) return counts[static_cast<std::size_t>(n)];
  }
  return std::nullopt;
}

}  // namespace basin::theory
