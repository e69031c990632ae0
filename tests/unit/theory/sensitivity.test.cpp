// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers theory/sensitivity.hpp: lemma 2 against dense Jacobians, corollary 3 at the rows that attain it, directions.
#include "basin/normalize/softmax.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/theory/sensitivity.hpp"
#include "support/catch.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"

namespace basin_test {

namespace theory = basin::theory;
using numbers = std::vector<double>;

TEST_CASE("lemma 2 is the Frobenius norm of the Jacobian written out, and its bounds hold", "[unit][theory]") {
  for (std::size_t const n : {1u, 2u, 5u, 40u})
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      auto const s = row_of_scores(row_kind::smooth, seed, n);
      numbers value, slope;
      double z = 0, square = 0;
      for (double const x : s) value.push_back(1 + x * x), slope.push_back(2 * x), z += 1 + x * x;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
          double const entry = slope[j] / z * ((i == j) - value[i] / z);
          square += entry * entry;
        }
      auto const lemma = theory::lemma_2(value, slope);
      CAPTURE(n, seed);
      CHECK(lemma.frobenius == Approx(std::sqrt(square)).epsilon(1e-10).margin(1e-12));
      CHECK(lemma.frobenius <= lemma.slopes * (1 + 1e-12) + 1e-15);
      CHECK(lemma.slopes <= lemma.extremes * (1 + 1e-12));
    }
  CHECK_THROWS_AS(theory::lemma_2(numbers{1, 2}, numbers{1}), basin::shape_error);
  CHECK_THROWS_AS(theory::lemma_2(numbers{}, numbers{}), basin::shape_error);
  CHECK_THROWS_AS(theory::lemma_2(numbers{1, 0}, numbers{1, 1}), basin::value_error);
}

TEST_CASE("two equal scores attain 1/(2T), twice the paper's bound", "[unit][theory]") {
  numbers const s{0.3, 0.3}, across{std::sqrt(0.5), -std::sqrt(0.5)};
  auto const at = context_of<double>(2);
  for (double const t : {0.05, 0.5, 2.0}) {
    double const g = theory::gain(basin::softmax{}, s, across, t, 1e-4 * t, at);
    CAPTURE(t);
    CHECK(g == Approx(1 / (2 * t)).epsilon(1e-6));
    CHECK(g <= theory::gain_bound(t, 1e-4 * t));
    if (1 / (4 * t) < std::sqrt(2.0)) CHECK(g > 1.99 * theory::printed_gain_bound(t));
  }
  CHECK(theory::printed_gain_bound(1.0) == 0.25);
  CHECK(theory::printed_gain_bound(0.01) == std::sqrt(2.0));
  CHECK(theory::gain_bound(0.5, 10.0) == Approx(std::sqrt(2.0) / 10).epsilon(1e-15));
  CHECK(theory::gain_bound(0.5, 1e-3) == 1);
  CHECK(theory::gain_bound(0.5, 1e-3, 1.0) == 2);
  CHECK(theory::gain(basin::sparsemax{}, s, across, 1.0, 1e-3, at) == Approx(1).epsilon(1e-9));  // sparsemax attains 1
  // Two scores swap their order, (a + e, a) and (a, a + 2 e), at a distance of sqrt(5) e. The weights move by about
  // 3 e / (2 sqrt(2) T).
  numbers const first{1 + 1e-5, 1}, second{1, 1 + 2e-5};
  numbers const v{-1 / std::sqrt(5.0), 2 / std::sqrt(5.0)};
  double const g = theory::gain(basin::softmax{}, first, v, 1.0, std::sqrt(5.0) * 1e-5, at);
  CHECK(g * std::sqrt(5.0) * 1e-5 ==
        Approx(distance(weights_of(basin::softmax{}, first), weights_of(basin::softmax{}, second)) * std::sqrt(2.0))
            .epsilon(1e-4));
  CHECK(g == Approx(3 / (2 * std::sqrt(2.0) * std::sqrt(5.0))).epsilon(1e-4));
}

TEST_CASE("Gershgorin's circles bound the Jacobian norm of a row of softmax", "[unit][theory]") {
  CHECK(theory::softmax_norm_bound(numbers{0.5, 0.5}, 0.25) == Approx(2));
  CHECK(theory::softmax_norm_bound(numbers{1, 0}, 0.25) == 0);
  CHECK(theory::softmax_norm_bound(numbers(100, 0.01), 1) == Approx(0.0198));
}

TEST_CASE("gains of several temperatures and steps equal each gain alone", "[unit][theory]") {
  auto const s = row_of_scores(row_kind::smooth, 4, 30);
  auto const v = theory::random_direction(30, 5, 6);
  numbers const temperatures{0.1, 1.0, 4.0}, steps{1e-3, 10.0};
  numbers out(6);
  auto const at = context_of<double>(30);
  theory::gains(basin::sparsemax{}, s, v, temperatures, steps, at, basin::contiguous(out.data(), 3, 2));
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t e = 0; e < 2; ++e) {
      numbers here = s, there = s;
      for (std::size_t j = 0; j < 30; ++j)
        here[j] /= temperatures[t], there[j] = (s[j] + steps[e] * v[j]) / temperatures[t];
      auto const a = weights_of(basin::sparsemax{}, here), b = weights_of(basin::sparsemax{}, there);
      double square = 0;
      for (std::size_t j = 0; j < 30; ++j) square += (a[j] - b[j]) * (a[j] - b[j]);
      CHECK(out[t * 2 + e] == Approx(std::sqrt(square) / steps[e]).epsilon(1e-12).margin(1e-15));
    }
  CHECK_THROWS_AS(theory::gains(basin::softmax{}, s, std::span(v).first(29), temperatures, steps, at,
                                basin::contiguous(out.data(), 3, 2)),
                  basin::shape_error);
  CHECK_THROWS_AS(theory::gains(basin::softmax{}, s, v, temperatures, steps, at, basin::contiguous(out.data(), 2, 3)),
                  basin::shape_error);
  CHECK_THROWS_AS(theory::gain(basin::softmax{}, s, v, 0.0, 1.0, at), basin::value_error);
  CHECK_THROWS_AS(theory::gain(basin::softmax{}, s, v, 1.0, 0.0, at), basin::value_error);
  CHECK_THROWS_AS(theory::gain_bound(1.0, 1.0, 0.0), basin::value_error);
  CHECK_THROWS_AS(theory::printed_gain_bound(-1.0), basin::value_error);
  CHECK(theory::gain(basin::softmax{}, numbers{}, numbers{}, 1.0, 1.0, context_of<double>(0)) == 0);
}

TEST_CASE("directions have length 1, depend on seed and row alone, and average to 0", "[unit][theory]") {
  CHECK(theory::random_direction(9, 1, 2) == theory::random_direction(9, 1, 2));
  CHECK(theory::random_direction(9, 1, 2) != theory::random_direction(9, 1, 3));
  CHECK(theory::random_direction(9, 1, 2) != theory::random_direction(9, 2, 2));
  CHECK(theory::random_direction(0, 1, 2).empty());
  numbers mean(3);
  for (std::uint64_t row = 0; row < 3000; ++row) {
    auto const v = theory::random_direction(3, 7, row);
    CHECK(std::hypot(v[0], v[1], v[2]) == Approx(1).epsilon(1e-14));
    for (std::size_t d = 0; d < 3; ++d) mean[d] += v[d] / 3000;
  }
  for (double const m : mean) CHECK(std::fabs(m) < 5 / std::sqrt(3.0 * 3000));  // a false alarm once in 6e5
}

}  // namespace basin_test
