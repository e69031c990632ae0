// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers core/simd.hpp, core/math.hpp
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "basin/core/simd.hpp"
#include "support/catch.hpp"

namespace basin_test {

namespace {

template <class T>
T first_of(basin::simd<T> x) {
  return x.get(0);
}

template <class T>
T exp_of(T x) {
  return first_of<T>(basin::math::exp(basin::simd<T>(x)));
}

/// The largest relative error of f against exp over every `step`-th float in [from, to].
template <class F>
double largest_error(float from, float to, std::int32_t step, F const& f) {
  double worst = 0;
  bool const negative = from < 0;
  std::int32_t const low = std::bit_cast<std::int32_t>(negative ? -to : from),
                     high = std::bit_cast<std::int32_t>(negative ? -from : to);
  constexpr std::size_t width = basin::simd<float>::size;
  alignas(64) float x[width], y[width];
  for (std::int64_t bits = low; bits <= high; bits += static_cast<std::int64_t>(width) * step) {
    for (std::size_t l = 0; l < width; ++l) {
      float const size = std::bit_cast<float>(
          static_cast<std::int32_t>(std::min<std::int64_t>(bits + static_cast<std::int64_t>(l) * step, high)));
      x[l] = negative ? -size : size;
    }
    f(basin::simd<float>::load_aligned(x)).store_aligned(y);
    for (std::size_t l = 0; l < width; ++l) {
      double const exact = std::exp(static_cast<double>(x[l]));
      worst = std::max(worst, std::fabs(static_cast<double>(y[l]) - exact) / exact);
    }
  }
  return worst;
}
double largest_error(float from, float to, std::int32_t step) {
  return largest_error(from, to, step, [](basin::simd<float> x) { return basin::math::exp(x); });
}

double const nan = std::numeric_limits<double>::quiet_NaN();
double const inf = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("exp in single precision is within one eps where the result is normal", "[unit][simd]") {
  double const eps = std::numeric_limits<float>::epsilon();
  CHECK(largest_error(-87.329f, -1e-10f, 251) <= eps);
  CHECK(largest_error(1e-10f, 88.722f, 251) <= eps);
  CHECK(largest_error(-1.5f, -0.25f, 13) <= eps);
  CHECK(exp_of(0.0f) == 1.0f);
  CHECK(exp_of(-0.0f) == 1.0f);
}

TEST_CASE("exp_nonpositive is within 1.5 + abs(x) / 40 eps of exp, and within 1.5 eps in absolute terms",
          "[unit][simd]") {
  double const eps = std::numeric_limits<float>::epsilon();
  auto const f = [](basin::simd<float> x) { return basin::math::exp_nonpositive(x); };
  for (float const edge : {1.0f, 5.0f, 10.0f, 20.0f, 40.0f, 60.0f, 87.329f})
    CHECK(largest_error(-edge, -1e-10f, 251, f) <= (1.5 + static_cast<double>(edge) / 40) * eps);
  // a score that is rounded twice may slightly exceed the maximum
  CHECK(largest_error(1e-10f, 1.0f, 251, f) <= 1.6 * eps);
  for (float x = -103.9f; x <= 0.0f; x += 0.001f) {
    double const exact = std::exp(static_cast<double>(x)),
                 got = static_cast<double>(first_of<float>(f(basin::simd<float>(x))));
    CAPTURE(x);
    REQUIRE(std::fabs(got - exact) <= 1.5 * eps);
    if (x < -87.33f) REQUIRE(got == 0.0);
  }
}

TEMPLATE_TEST_CASE("exp_nonpositive is right for 0, infinities, NaN and the lowest number", "[unit][simd]", float,
                   double) {
  auto const of = [](double x) {
    return static_cast<double>(basin::math::exp_nonpositive(basin::simd<TestType>(static_cast<TestType>(x))).get(0));
  };
  CHECK(of(0) == 1);
  CHECK(of(-0.0) == 1);
  CHECK(of(-inf) == 0);
  CHECK(of(std::numeric_limits<TestType>::lowest()) == 0);
  CHECK(std::isnan(of(nan)));
  CHECK(basin::math::exp_nonpositive(TestType(-2)) == std::exp(TestType(-2)));
}

TEST_CASE("exp in single precision is zero, never subnormal, below the normal range", "[unit][simd]") {
  for (float x = -103.9f; x < -86.0f; x += 0.01f) {
    CAPTURE(x);
    float const got = exp_of(x);
    if (x < -87.33f) REQUIRE(got == 0.0f);
    else REQUIRE(got >= std::numeric_limits<float>::min());
  }
}

TEMPLATE_TEST_CASE("exp is right for infinities, NaN and numbers beyond its range", "[unit][simd]", float, double) {
  auto const of = [](double x) { return exp_of(static_cast<TestType>(x)); };
  CHECK(of(-inf) == 0);
  CHECK_FALSE(std::signbit(of(-inf)));
  CHECK(of(-1e30) == 0);
  CHECK(of(static_cast<double>(-std::numeric_limits<TestType>::max())) == 0);
  CHECK(of(-2000) == 0);
  CHECK(of(inf) == inf);
  CHECK(of(2000) == inf);
  CHECK(std::isnan(of(nan)));
  CHECK(std::isnan(of(-nan)));
}

TEST_CASE("exp in double precision is within two eps where the result is normal", "[unit][simd]") {
  double worst = 0;
  for (double x = -708; x < 709; x += 0.00737) {
    long double const exact = std::exp(static_cast<long double>(x));
    worst = std::max(worst, static_cast<double>(std::fabs(static_cast<long double>(exp_of(x)) - exact) / exact));
  }
  CHECK(worst <= 2 * std::numeric_limits<double>::epsilon());
}

TEMPLATE_TEST_CASE("the functions of a batch equal those of its lanes, NaN and infinities included", "[unit][simd]",
                   float, double) {
  using batch = basin::simd<TestType>;
  TestType const numbers[] = {TestType(0),   TestType(1),    TestType(-2.5),                 TestType(nan),
                              TestType(inf), TestType(-inf), basin::math::lowest<TestType>()};
  auto const same = [](TestType a, TestType b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (TestType const a : numbers)
    for (TestType const b : numbers) {
      CAPTURE(a, b);
      CHECK(same(basin::math::max(batch(a), batch(b)).get(0), basin::math::max(a, b)));
      CHECK(same(basin::math::min(batch(a), batch(b)).get(0), basin::math::min(a, b)));
      CHECK(same(basin::math::select(batch(a) > batch(b), batch(a), batch(b)).get(0),
                 basin::math::select(a > b, a, b)));
      CHECK(basin::math::any(batch(a) > batch(b)) == (a > b));
    }
  for (TestType const a : {TestType(0.25), TestType(1), TestType(7), TestType(inf), TestType(0)}) {
    CAPTURE(a);
    TestType const logarithm = basin::math::log(batch(a)).get(0);
    if (std::isfinite(std::log(a)))
      CHECK(std::fabs(logarithm - std::log(a)) <=
            4 * std::numeric_limits<TestType>::epsilon() * (1 + std::fabs(std::log(a))));
    else CHECK(same(logarithm, std::log(a)));
    CHECK(basin::math::sqrt(batch(a)).get(0) == std::sqrt(a));
  }
}

TEMPLATE_TEST_CASE("transpose exchanges rows and columns", "[unit][simd]", float, double) {
  constexpr std::size_t n = basin::simd<TestType>::size;
  std::array<basin::simd<TestType>, n> rows;
  for (std::size_t i = 0; i < n; ++i)
    rows[i] = basin::simd<TestType>(static_cast<TestType>(i * n)) + basin::lane_numbers<TestType>();
  basin::transpose<TestType>(rows);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) CHECK(rows[i].get(j) == static_cast<TestType>(j * n + i));
}

TEMPLATE_TEST_CASE("lane i of sums_of is the sum of row i", "[unit][simd]", float, double) {
  constexpr std::size_t n = basin::simd<TestType>::size;
  std::array<basin::simd<TestType>, n> rows;
  for (std::size_t i = 0; i < n; ++i)
    rows[i] = basin::simd<TestType>(static_cast<TestType>(i * 100)) +
              static_cast<TestType>(i + 1) * basin::lane_numbers<TestType>();
  auto const sums = basin::sums_of<TestType>(rows);
  for (std::size_t i = 0; i < n; ++i)
    CHECK(sums.get(i) == static_cast<TestType>(i * 100 * n + (i + 1) * n * (n - 1) / 2));
}

TEMPLATE_TEST_CASE("any() detects a single true lane", "[unit][simd]", float, double) {
  auto const lanes = basin::lane_numbers<TestType>();
  std::size_t const width = basin::simd<TestType>::size;
  for (std::size_t l = 0; l < width; ++l) {
    CHECK(lanes.get(l) == static_cast<TestType>(l));
    CHECK(basin::math::any(lanes == basin::simd<TestType>(static_cast<TestType>(l))));
  }
  CHECK_FALSE(basin::math::any(lanes == basin::simd<TestType>(static_cast<TestType>(width))));
}

TEMPLATE_TEST_CASE("scalar max and min return a NaN from either side", "[unit][math]", float, double) {
  TestType const x = 1, none = static_cast<TestType>(nan);
  CHECK(std::isnan(basin::math::max(x, none)));
  CHECK(std::isnan(basin::math::max(none, x)));
  CHECK(std::isnan(basin::math::min(x, none)));
  CHECK(std::isnan(basin::math::min(none, x)));
  CHECK(basin::math::max(x, TestType(2)) == 2);
  CHECK(basin::math::min(x, TestType(2)) == 1);
  CHECK(basin::math::lowest<TestType>() - basin::math::lowest<TestType>() == 0);
  CHECK(basin::math::minus_inf<TestType>() - basin::math::lowest<TestType>() ==
        -std::numeric_limits<TestType>::infinity());
}

}  // namespace basin_test
