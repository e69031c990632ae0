// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers normalize/detail/threshold_search.hpp through sparsemax, entmax15 and entmax: thresholds agree with those of
// sorted scores and take few passes. On a GPU each pass is a matrix product.
#include <algorithm>
#include <functional>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"
#include "support/tolerance.hpp"

namespace basin_test {

namespace {

using scores_of = std::function<double(splitmix&, double j)>;

struct kind_of_row {
  char const* name;
  scores_of score;
};

scores_of normal(double deviation) {
  return [=](splitmix& rng, double) { return deviation * normal_number(rng); };
}
double student_number(splitmix& rng) {
  double squares = 0;
  for (int i = 0; i < 3; ++i) squares += std::pow(normal_number(rng), 2);
  return normal_number(rng) / std::sqrt(squares / 3);
}

/// Typical rows.
std::vector<kind_of_row> const usual{
    {"normal, 0.5", normal(0.5)},
    {"normal, 1", normal(1)},
    {"normal, 2", normal(2)},
    {"normal, 4", normal(4)},
    {"Student's, 3", [](splitmix& rng, double) { return student_number(rng); }},
    {"one needle", [](splitmix& rng, double j) { return normal_number(rng) + (j == 100 ? 8 : 0); }},
    {"a sink and clusters", [](splitmix& rng, double j) {
       return normal_number(rng) + (j == 0 ? 4 : std::fmod(j, 1000) < 32 ? 1.5 : 0) - 0.3 * std::log1p(j);
     }}};

/// Rows with large supports, with scores equal to the threshold, or for which Newton's method is slow.
std::vector<kind_of_row> const hard{
    {"uniform", [](splitmix& rng, double) { return 4 * uniform_number(rng); }},
    {"flat", [](splitmix& rng, double) { return 0.3 * uniform_number(rng); }},
    {"nearly equal", [](splitmix& rng, double) { return 1e-3 * normal_number(rng); }},
    {"equal", [](splitmix&, double) { return 0.3; }},
    {"two humps",
     [](splitmix& rng, double) { return 0.05 * normal_number(rng) - (uniform_number(rng) < 0.5 ? 0.5 : 0); }},
    {"tied", [](splitmix& rng, double) { return std::round(200 * normal_number(rng)) / 100; }},
    {"towards the largest", [](splitmix&, double j) { return j == 0 ? 0 : -std::exp2(-std::fmod(j, 24)); }},
    {"towards the bound", [](splitmix&, double j) { return j < 24 ? std::exp2(-j) - 1 : -1 - 0.01 * j; }},
    {"harmonic", [](splitmix&, double j) { return 1 / (j + 1) - 1; }},
    {"steps", [](splitmix&, double j) { return -0.07 * std::floor(std::log2(j + 1)); }},
    {"one on a shelf", [](splitmix&, double j) { return j == 7 ? 0 : -0.9; }},
    {"one on a rough shelf", [](splitmix& rng, double j) { return j == 7 ? 0 : -0.3 - 1e-6 * uniform_number(rng); }},
    {"one and nothing", [](splitmix&, double j) { return j == 7 ? 0 : -inf; }}};

template <class T>
std::vector<T> row_like(kind_of_row const& kind, std::uint64_t seed, std::size_t n) {
  splitmix rng{seed * 1000003 + 17};
  std::vector<double> scores(n);
  for (std::size_t j = 0; j < n; ++j) scores[j] = kind.score(rng, static_cast<double>(j));
  return in_type<T>(scores);
}

/// Sorted scores, largest first, minus the maximum, times `slope`.
template <class T>
std::vector<double> sorted(std::vector<T> const& scores, double slope) {
  std::vector<double> z(scores.begin(), scores.end());
  std::sort(z.begin(), z.end(), std::greater<>{});
  double const max = z[0];
  for (double& s : z) s = slope * (s - max);
  return z;
}
/// The threshold of the k largest scores, for the least k at which the next score does not exceed it (Martins &
/// Astudillo 2016, alg. 1; Peters et al. 2019, alg. 2).
double sparsemax_threshold(std::vector<double> const& z) {
  double sum = 0;
  for (std::size_t k = 1;; ++k) {
    sum += z[k - 1];
    double const tau = (sum - 1) / static_cast<double>(k);
    if (k == z.size() || z[k] <= tau) return tau;
  }
}
double entmax15_threshold(std::vector<double> const& z) {
  double mean = 0, squares = 0;                                  // sum of squared deviations, by Welford's recurrence
  for (std::size_t k = 1;; ++k) {
    double const off = z[k - 1] - mean, n = static_cast<double>(k);
    mean += off / n;
    squares += off * (z[k - 1] - mean);
    double const tau = mean - std::sqrt(std::max(0.0, 1 - squares) / n);
    if (k == z.size() || z[k] <= tau) return tau;
  }
}
double entmax_threshold(std::vector<double> const& z, double power) {
  double low = -1, high = 0;
  for (int i = 0; i < 60; ++i) {
    double const middle = (low + high) / 2;
    double sum = 0;
    for (std::size_t j = 0; j < z.size() && z[j] > middle; ++j) sum += std::pow(z[j] - middle, power);
    (sum >= 1 ? low : high) = middle;
  }
  return low;
}

/// The largest error of a weight over its bound `tolerance * (keys with weight + 8) eps`.
template <class N, class T>
double worst_error(N const& n, std::vector<T> const& scores, double slope, double power, double tau, double tolerance) {
  auto const weights = weights_of(n, scores);
  double const max = static_cast<double>(*std::max_element(scores.begin(), scores.end()));
  std::vector<double> expected;
  for (T const s : scores)
    expected.push_back(std::pow(std::max(0.0, slope * (static_cast<double>(s) - max) - tau), power));
  double const support =
      static_cast<double>(std::count_if(expected.begin(), expected.end(), [](double w) { return w > 0; }));
  return distance(weights, expected) / (tolerance * (support + 8) * eps_of<T>);
}

}  // namespace

TEMPLATE_TEST_CASE("thresholds agree with those of sorted scores", "[property][normalizer]", float, double) {
  for (auto const* kinds : {&usual, &hard})
    for (auto const& kind : *kinds)
      for (std::size_t const n : {1u, 2u, 9u, 200u, 3001u}) {
        CAPTURE(kind.name, n);
        auto const scores = row_like<TestType>(kind, n, n);
        CHECK(worst_error(basin::sparsemax{}, scores, 1, 1, sparsemax_threshold(sorted(scores, 1)), 1) <= 1);
        CHECK(worst_error(basin::entmax15{}, scores, 0.5, 2, entmax15_threshold(sorted(scores, 0.5)), 4) <= 1);
        for (double const alpha : {1.1, 1.25, 1.5, 1.75, 2.0}) {
          CAPTURE(alpha);
          double const slope = alpha - 1, power = 1 / slope;
          CHECK(worst_error(basin::entmax{{alpha}}, scores, slope, power,
                            entmax_threshold(sorted(scores, slope), power), 8 * power) <= 1);
        }
      }
}

/// Sums of so many numbers have large errors in single precision.
TEST_CASE("weights of long and nearly equal rows sum to 1", "[property][normalizer]") {
  std::vector<kind_of_row> const level{
      {"equal", [](splitmix&, double) { return 0.3; }},
      {"uniform, 1e-5", [](splitmix& rng, double) { return 1e-5 * uniform_number(rng); }},
      {"uniform, 1e-4", [](splitmix& rng, double) { return 1e-4 * uniform_number(rng); }},
      {"uniform, 0.1", [](splitmix& rng, double) { return 0.1 * uniform_number(rng); }},
      {"one on a shelf", [](splitmix&, double j) { return j == 7 ? 0 : -0.005; }},
      {"one on a low shelf", [](splitmix&, double j) { return j == 7 ? 0 : -0.4; }}};
  for (auto const& kind : level)
    for (std::size_t const n : {12633u, 19484u, 131072u}) {
      CAPTURE(kind.name, n);
      auto const scores = row_like<float>(kind, n, n);
      auto const check = [&](auto const& normalizer, double tolerance) {
        CHECK(std::fabs(sum_of(weights_of(normalizer, scores)) - 1) <=
              tolerance * (static_cast<double>(n) + 8) * eps_of<float>);
        CHECK(sweeps_of(normalizer, scores) <= 12);
      };
      check(basin::sparsemax{}, 1);
      check(basin::entmax15{}, 1);
      for (double const alpha : {1.25, 1.5, 1.75, 1.95, 2.0}) {
        CAPTURE(alpha);
        check(basin::entmax{{alpha}}, 1);
      }
    }
}

TEST_CASE("the size of a support is the number of positive weights", "[property][normalizer]") {
  for (auto const* kinds : {&usual, &hard})
    for (auto const& kind : *kinds)
      for (std::size_t const n : {1u, 9u, 200u, 3001u}) {
        CAPTURE(kind.name, n);
        auto const scores = row_like<float>(kind, n, n);
        auto const row = basin::fit_row(basin::sparsemax{}, std::span<float const>(scores), context_of<float>(n));
        auto const weighs = [&](float s) { return basin::sparsemax{}.weight(row, s) > 0; };
        CHECK(row.size == static_cast<float>(std::count_if(scores.begin(), scores.end(), weighs)));
      }
}

TEST_CASE("a threshold search takes few passes", "[property][normalizer]") {
  struct count {
    int most = 0, all = 0, rows = 0;
    void add(int sweeps) { most = std::max(most, sweeps), all += sweeps, ++rows; }
    double mean() const { return static_cast<double>(all) / rows; }
  };
  auto const counted = [](auto const& n, kind_of_row const& kind, std::size_t keys) {
    count c;
    for (std::uint64_t seed = 0; seed < 12; ++seed) c.add(sweeps_of(n, row_like<float>(kind, seed, keys)));
    return c;
  };
  for (std::size_t const keys : {512u, 8192u}) {
    for (auto const& kind : usual) {
      CAPTURE(kind.name, keys);
      auto const sparse = counted(basin::sparsemax{}, kind, keys), half = counted(basin::entmax15{}, kind, keys);
      CHECK(sparse.most <= 4);
      CHECK(sparse.mean() <= 2.5);
      CHECK(half.most <= 4);
      CHECK(half.mean() <= 3);
      for (double const alpha : {1.25, 1.5, 1.75}) {
        auto const any = counted(basin::entmax{{alpha}}, kind, keys);
        CAPTURE(alpha);
        CHECK(any.most <= 5);
        CHECK(any.mean() <= 3.5);
      }
    }
    for (auto const& kind : hard) {
      CAPTURE(kind.name, keys);
      CHECK(counted(basin::sparsemax{}, kind, keys).most <= 6);
      CHECK(counted(basin::entmax15{}, kind, keys).most <= 6);
      CHECK(counted(basin::entmax{{1.5}}, kind, keys).most <= 6);
    }
  }
}

}  // namespace basin_test
