// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers theory/bounds.hpp and theory/decay.hpp: closed forms, and invalid arguments.
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/theory/bounds.hpp"
#include "basin/theory/decay.hpp"
#include "support/catch.hpp"

namespace basin_test {

namespace theory = basin::theory;

TEST_CASE("the range of F includes extremes at the ends and at turning points", "[unit][theory]") {
  auto const exponential = theory::range_of([](double x) { return std::exp(x); }, 1.5);
  CHECK(exponential.lower == Approx(std::exp(-1.5)).epsilon(1e-14));
  CHECK(exponential.upper == Approx(std::exp(1.5)).epsilon(1e-14));
  auto const bowl = theory::range_of([](double x) { return 0.25 + (x - 0.3) * (x - 0.3); }, 1.0);
  CHECK(bowl.lower == Approx(0.25).epsilon(1e-14));
  CHECK(bowl.upper == Approx(0.25 + 1.69).epsilon(1e-14));
  auto const wave = theory::range_of([](double x) { return 2 + std::sin(20 * x); }, 2.0);
  CHECK(wave.lower == Approx(1).epsilon(1e-14));
  CHECK(wave.upper == Approx(3).epsilon(1e-14));
  auto const point = theory::range_of([](double x) { return 2 + x; }, 0.0);
  CHECK(point.lower == 2);
  CHECK(point.upper == 2);
}

TEST_CASE("lemma 1 for the exponential is corollary 1", "[unit][theory]") {
  for (double const temperature : {0.5, 1.0, 3.0}) {
    auto const range = theory::range_of([&](double x) { return std::exp(x / temperature); }, 2.0);
    auto const lemma = theory::weight_bounds(range, 100),
               corollary = theory::softmax_weight_bounds(2.0, temperature, 100);
    CHECK(lemma.lower == Approx(std::exp(-4 / temperature) / 100).epsilon(1e-12));
    CHECK(corollary.lower == Approx(lemma.lower).epsilon(1e-12));
    CHECK(corollary.upper == Approx(lemma.upper).epsilon(1e-12));
    CHECK(corollary.holds(0.01));
    CHECK_FALSE(corollary.holds(corollary.upper * 1.01));
  }
}

TEST_CASE("the attained bounds are the weights of a spike", "[unit][theory]") {
  for (basin::index_t const length : {1, 2, 17, 1000}) {
    auto const range = theory::range_of([](double x) { return std::exp(x); }, 1.25);
    auto const attained = theory::attained_weights(range, length), loose = theory::weight_bounds(range, length);
    CHECK(theory::spike_weight(basin::softmax{}, 1.25, length) == Approx(attained.upper).epsilon(1e-12));
    CHECK(attained.upper <= loose.upper);
    CHECK(attained.lower >= loose.lower);
  }
  // by hand: one score of 2 and three of -2 give exp(4) / (exp(4) + 3)
  CHECK(theory::spike_weight(basin::softmax{}, 2.0, 4) == Approx(54.598150033 / 57.598150033).epsilon(1e-10));
}

TEST_CASE("scalable softmax obeys its own bounds, and the upper bound is 1 when 2 s a reaches 1", "[unit][theory]") {
  basin::length_scaled<basin::softmax, basin::ssmax> const scaled{{}, {0.43}};
  for (basin::index_t const length : {2, 64, 4096})
    CHECK(theory::ssmax_weight_bounds(2.0, 0.43, length).holds(theory::spike_weight(scaled, 2.0, length)));
  CHECK(theory::ssmax_weight_bounds(1.0, 0.5, 4096).upper == Approx(1).epsilon(1e-12));
  CHECK(theory::ssmax_weight_bounds(1.0, 0.25, 4096).upper == Approx(1.0 / 64).epsilon(1e-12));
  CHECK(theory::ssmax_weight_bounds(1.0, 0.25, 4096).lower == Approx(1.0 / 262144).epsilon(1e-12));
}

TEST_CASE("the least entropy and the score range that a share needs equal their closed forms", "[unit][theory]") {
  CHECK(theory::least_entropy(0.5, 1.0, 100) == Approx(std::log(100.0) - 1).epsilon(1e-12));
  CHECK(theory::least_entropy(5.0, 1.0, 100) == 0);
  CHECK(theory::score_range_needed(0.5, 1024, theory::score_range_form::corollary) ==
        Approx(std::log(512.0) / 2).epsilon(1e-12));
  CHECK(theory::score_range_needed(0.5, 1024) == Approx(std::log(1023.0) / 2).epsilon(1e-12));
  CHECK(theory::spike_weight(basin::softmax{}, theory::score_range_needed(0.3, 77), 77) == Approx(0.3).epsilon(1e-12));
  CHECK(theory::score_range_needed(0.001, 10) == 0);
}

TEST_CASE("bounds refuse arguments outside their domain", "[unit][theory][errors]") {
  auto const f = [](double x) { return x; };
  CHECK_THROWS_AS(theory::range_of(f, 1.0), basin::value_error);                              // not positive
  CHECK_THROWS_AS(theory::range_of([](double x) { return 1 / (x - 1); }, 1.0), basin::value_error);
  CHECK_THROWS_AS(theory::range_of([](double) { return 1.0; }, -1.0), basin::value_error);
  CHECK_THROWS_AS(theory::range_of([](double) { return 1.0; }, HUGE_VAL), basin::value_error);
  CHECK_THROWS_AS(theory::range_of([](double) { return 1.0; }, 1.0, 1), basin::value_error);
  CHECK_THROWS_AS(theory::weight_bounds({1, 2}, 0), basin::value_error);
  CHECK_THROWS_AS(theory::attained_weights({1, 2}, 0), basin::value_error);
  CHECK_THROWS_AS(theory::softmax_weight_bounds(1, 0, 4), basin::value_error);
  CHECK_THROWS_AS(theory::softmax_weight_bounds(-1, 1, 4), basin::value_error);
  CHECK_THROWS_AS(theory::ssmax_weight_bounds(1, -1, 4), basin::value_error);
  CHECK_THROWS_AS(theory::score_range_needed(1, 4), basin::value_error);
  CHECK_THROWS_AS(theory::score_range_needed(0, 4), basin::value_error);
  CHECK_THROWS_AS(theory::spike_weight(basin::softmax{}, 1, 0), basin::value_error);
}

TEST_CASE("a fitted line has no error for exact points, and the textbook's standard error for scattered ones",
          "[unit][theory]") {
  std::vector<double> const x{1, 2, 4, 8}, y{3, 1.5, 0.75, 0.375};
  auto const law = theory::fit_power_law(x, y);
  CHECK(law.slope == Approx(-1).epsilon(1e-12));
  CHECK(std::exp(law.intercept) == Approx(3).epsilon(1e-12));
  CHECK(law.error == Approx(0).margin(1e-12));
  // scipy.stats.linregress([1, 2, 3, 4, 5], [2, 1, 4, 3, 6]): slope 1, intercept 0.2, stderr 0.4
  std::vector<double> const a{1, 2, 3, 4, 5}, b{2, 1, 4, 3, 6};
  auto const line = theory::fit_line(a, b);
  CHECK(line.slope == Approx(1).epsilon(1e-12));
  CHECK(line.intercept == Approx(0.2).epsilon(1e-12));
  CHECK(line.error == Approx(0.4).epsilon(1e-12));
  CHECK_THROWS_AS(theory::fit_line(a, x), basin::shape_error);
  CHECK_THROWS_AS(theory::fit_line(std::vector<double>{1}, std::vector<double>{1}), basin::shape_error);
  CHECK_THROWS_AS(theory::fit_line(std::vector<double>{1, 1}, std::vector<double>{1, 2}), basin::value_error);
  CHECK_THROWS_AS(theory::fit_line(std::vector<double>{1, 2}, std::vector<double>{1, HUGE_VAL}), basin::value_error);
  CHECK_THROWS_AS(theory::fit_power_law(x, std::vector<double>{1, 2, 0, 4}), basin::value_error);
}

}  // namespace basin_test
