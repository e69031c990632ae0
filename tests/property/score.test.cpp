// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers score/soft_cap.hpp, score/alibi.hpp, math::tanh and math::abs: closed forms, slopes, gradients.
#include "basin/core/simd.hpp"
#include "basin/score/alibi.hpp"
#include "basin/score/soft_cap.hpp"
#include "property/finite_differences.hpp"

namespace basin_test {

namespace {

template <class T>
basin::simd<T> batch_of(double x) {
  return basin::simd<T>(static_cast<T>(x));
}

template <class T>
double first_of(basin::simd<T> x) {
  alignas(64) T values[basin::simd<T>::size];
  x.store_aligned(values);
  return static_cast<double>(values[0]);
}

}  // namespace

TEMPLATE_TEST_CASE("tanh of a batch agrees with the standard library", "[unit][simd]", float, double) {
  for (double x = -30; x <= 30; x += 1.0 / 1024) {
    double const exact = std::tanh(static_cast<double>(static_cast<TestType>(x)));
    if (std::fabs(first_of<TestType>(basin::math::tanh(batch_of<TestType>(x))) - exact) >
        4 * eps_of<TestType> * std::fabs(exact))
      FAIL("tanh of " << x);
  }
  for (double const x : {0.0, inf, -inf, 1e-30, 1e30, -1e30}) {
    CAPTURE(x);
    CHECK(first_of<TestType>(basin::math::tanh(batch_of<TestType>(x))) ==
          static_cast<double>(std::tanh(static_cast<TestType>(x))));
  }
  CHECK(std::isnan(first_of<TestType>(basin::math::tanh(batch_of<TestType>(nan)))));
  CHECK(first_of<TestType>(basin::math::abs(batch_of<TestType>(-2.5))) == 2.5);
  CHECK(basin::math::abs(TestType(-2.5)) == TestType(2.5));
  CHECK(basin::math::abs(TestType(3)) == TestType(3));
}

TEST_CASE("soft_cap is the scaled product near 0, and the cap far from 0", "[unit][score]") {
  basin::pair_at<double> const at{0, 0, 3, 2, 0.125};
  basin::soft_cap const score{50.0f, 0.0f};
  CHECK(score.score(0.0, at) == 0);
  CHECK(score.slope(0.0, at) == 0.125);
  CHECK_THAT(score.score(8.0, at), WithinRel(1 - 1.0 / 7500, 1e-7));  // tanh x = x - x^3 / 3 + ...
  CHECK(score.score(1e9, at) == 50);
  CHECK(score.score(-1e9, at) == -50);
  CHECK(score.slope(1e9, at) == 0);
  CHECK(score.score(-inf, at) == -50);
  CHECK(std::isnan(score.score(nan, at)));
  CHECK_THAT((basin::soft_cap{2.0f, 3.0f}.score(0.5, at)), WithinRel(2 * std::tanh(0.75), 1e-14));
  CHECK_THAT((basin::soft_cap{2.0f, 3.0f}.slope(0.5, at)), WithinRel(3 / std::pow(std::cosh(0.75), 2), 1e-14));
}

TEST_CASE("alibi subtracts slope times distance, with one slope for each head, from any score function",
          "[unit][score]") {
  float const slopes[] = {0.5f, 0.0f, -1.0f};
  auto const of_heads = basin::contiguous(slopes, 3);
  basin::alibi<basin::scaled> const score{of_heads, {2.0f}};
  for (int head = 0; head < 3; ++head)
    for (double const key : {1.0, 5.0, 8.0}) {
      CAPTURE(head, key);
      CHECK(score.score(3.0, {0, head, 5.0, key, 0.5}) == 6 - static_cast<double>(slopes[head]) * std::fabs(5 - key));
      CHECK(score.slope(3.0, {0, head, 5.0, key, 0.5}) == 2);
    }
  CHECK(score.score(-inf, {0, 0, 5.0, 1.0, 0.5}) == -inf);
  basin::alibi<basin::soft_cap> const capped{of_heads, {2.0f, 1.0f}};
  CHECK(capped.score(1e9, {0, 0, 5.0, 1.0, 0.5}) == 0);          // 2 - 0.5 * 4
}

TEST_CASE("alibi_slopes is a geometric series for powers of two, and adds every other slope of the next for the rest",
          "[unit][score]") {
  CHECK(basin::alibi_slopes(8) ==
        std::vector<float>{0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f, 0.015625f, 0.0078125f, 0.00390625f});
  CHECK(basin::alibi_slopes(1) == std::vector<float>{0.00390625f});
  CHECK(basin::alibi_slopes(3) == std::vector<float>{0.0625f, 0.00390625f, 0.25f});
  auto const twelve = basin::alibi_slopes(12);
  REQUIRE(twelve.size() == 12);
  CHECK(twelve[7] == 0.00390625f);
  for (int n = 0; n < 4; ++n)                                    // 2^(-8/16), 2^(-24/16), ...
    CHECK_THAT(twelve[static_cast<std::size_t>(8 + n)], WithinRel(std::exp2(-0.5 - n), 1e-7));
  CHECK_THROWS_AS(basin::alibi_slopes(0), basin::value_error);
}

TEST_CASE("gradients of soft_cap and alibi agree with finite differences", "[property][score]") {
  auto const slopes = basin::alibi_slopes(4);
  auto const of_heads = basin::contiguous(slopes.data(), 4);
  for (float const cap : {0.5f, 2.0f, 50.0f}) {
    CAPTURE(cap);
    require_gradients(basin::attention<>{}.with(basin::soft_cap{cap, 0.0f}));
    require_gradients(
        basin::attention<>{}.with(basin::alibi<basin::soft_cap>{of_heads, {cap, 1.5f}}).with(basin::causal{}));
  }
  require_gradients(basin::attention<>{}.with(basin::alibi<basin::scaled>{of_heads, {}}).with(basin::sparsemax{}));
}

}  // namespace basin_test
