// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers theory/kolmogorov_smirnov.hpp: thresholds, small samples by hand, the critical N, and invalid arguments.
#include "basin/theory/kolmogorov_smirnov.hpp"
#include "support/catch.hpp"
#include "support/scores.hpp"

namespace basin_test {

namespace theory = basin::theory;
using numbers = std::vector<double>;

TEST_CASE("thresholds for 144 heads agree with their tail probabilities", "[unit][theory]") {
  CHECK(theory::ks_threshold(0.01, 144, 144) == Approx(0.1919).margin(1e-4));
  CHECK(theory::ks_threshold(0.05, 144, 144) == Approx(0.1600).margin(1e-4));
  CHECK(theory::ks_probability(theory::ks_threshold(0.01, 144, 144), 144, 144) == Approx(0.01).epsilon(1e-4));
  CHECK(theory::ks_probability(0, 10, 10) == 1);
  CHECK(theory::ks_probability(1, 1000, 1000) == Approx(0).margin(1e-12));
}

TEST_CASE("the statistic of small samples is that worked out by hand", "[unit][theory]") {
  CHECK(theory::ks_statistic(numbers{1, 2, 3}, numbers{1, 2, 3}) == 0);
  CHECK(theory::ks_statistic(numbers{1, 2}, numbers{3, 4}) == 1);
  CHECK(theory::ks_statistic(numbers{1, 2, 3, 4}, numbers{3}) == Approx(0.5));
  CHECK(theory::ks_statistic(numbers{1, 1, 1, 5}, numbers{1, 5}) == Approx(0.25));
  CHECK(theory::ks_statistic(numbers{-HUGE_VAL, 0}, numbers{0, HUGE_VAL}) == Approx(0.5));
}

TEST_CASE("equal distributions are rejected at the rate of the level", "[property][theory]") {
  splitmix rng{2};
  int rejected = 0;
  numbers a(144), b(144);
  for (int trial = 0; trial < 2000; ++trial) {
    for (double& x : a) x = normal_number(rng);
    for (double& x : b) x = normal_number(rng);
    rejected += theory::ks_statistic(a, b) > theory::ks_threshold(0.05, 144, 144);
  }
  CHECK(rejected <= 152);  // 100 + 5.3 deviations of 9.7: a false alarm once in 1e7
  CHECK(rejected >= 40);                                         // the test is conservative: D moves in steps of 1/144
}

TEST_CASE("the critical N is the first whose distances agree", "[unit][theory]") {
  splitmix rng{8};
  std::vector<basin::index_t> const counts{1, 5, 20, 100};
  numbers measured(4 * 144), expected(4 * 144);
  for (std::size_t n = 0; n < 4; ++n)
    for (std::size_t h = 0; h < 144; ++h) {
      measured[n * 144 + h] = normal_number(rng);
      expected[n * 144 + h] = normal_number(rng) + (n < 2 ? 3 : 0);
    }
  auto const view = [](numbers const& x) { return basin::view<double const, 2>(basin::contiguous(x.data(), 4, 144)); };
  CHECK(theory::critical_count(counts, view(measured), view(expected), 0.01) == 20);
  for (double& x : expected) x += 9;
  CHECK_FALSE(theory::critical_count(counts, view(measured), view(expected), 0.01).has_value());
  CHECK_THROWS_AS(theory::critical_count(std::span(counts).first(3), view(measured), view(expected), 0.01),
                  basin::shape_error);
  CHECK_THROWS_AS(theory::critical_count(counts, view(measured), view(expected), 1.0), basin::value_error);
  CHECK_THROWS_AS(theory::ks_statistic(numbers{}, numbers{1}), basin::shape_error);
  CHECK_THROWS_AS(theory::ks_statistic(numbers{nan}, numbers{1}), basin::value_error);
  CHECK_THROWS_AS(theory::ks_threshold(0, 1, 1), basin::value_error);
  CHECK_THROWS_AS(theory::ks_threshold(0.1, 0, 1), basin::value_error);
}

}  // namespace basin_test
