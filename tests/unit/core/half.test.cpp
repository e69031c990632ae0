// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers core/half.hpp, load_as and store_as of core/simd.hpp
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "basin/core/half.hpp"
#include "basin/core/simd.hpp"
#include "support/catch.hpp"

namespace basin_test {

namespace {

/// Every number of a 16-bit type.
template <class Half>
std::vector<Half> all_numbers() {
  std::vector<Half> all(65536);
  for (std::size_t n = 0; n < all.size(); ++n) all[n].bits = static_cast<std::uint16_t>(n);
  return all;
}

/// The value of a pattern by the definition of the format: sign, exponent and fraction, in double precision.
double meaning(std::uint16_t bits, int fraction_bits, int bias) {
  int const exponent = (bits & 0x7fff) >> fraction_bits, highest = (1 << (15 - fraction_bits)) - 1;
  int const fraction = bits & ((1 << fraction_bits) - 1);
  double const sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == highest)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  int const hidden = exponent == 0 ? 0 : 1 << fraction_bits;
  return sign * std::ldexp(fraction + hidden, std::max(exponent, 1) - bias - fraction_bits);
}
double meaning(basin::bfloat16 x) { return meaning(x.bits, 7, 127); }
double meaning(basin::float16 x) { return meaning(x.bits, 10, 15); }

/// Whether Half(x) is the nearest number of the format, and at a tie the one whose last bit is 0.
template <class Half>
bool rounds_to_nearest(float x) {
  Half const got(x);
  double const here = meaning(got), exact = static_cast<double>(x);
  if (std::isinf(here)) return true;                             // overflow has its own test
  for (int const step : {-1, 1}) {
    Half neighbour = got;
    neighbour.bits = static_cast<std::uint16_t>(neighbour.bits + step);
    double const there = meaning(neighbour);
    if (std::isnan(there) || std::signbit(there) != std::signbit(here)) continue;
    double const near = std::fabs(exact - here), far = std::fabs(exact - there);
    if (far < near || (far == near && got.bits % 2 != 0)) return false;
  }
  return true;
}

template <class Half>
bool same(float x, Half y) {
  return std::isnan(meaning(y)) ? std::isnan(x)
                                : static_cast<double>(x) == meaning(y) && std::signbit(x) == std::signbit(meaning(y));
}

}  // namespace

TEMPLATE_TEST_CASE("every 16-bit pattern converts to the value that its format defines, and back", "[unit][half]",
                   basin::bfloat16, basin::float16) {
  for (TestType const x : all_numbers<TestType>()) {
    REQUIRE(same(static_cast<float>(x), x));
    TestType const back(static_cast<float>(x));
    if (std::isnan(meaning(x))) REQUIRE(std::isnan(meaning(back)));
    else REQUIRE(back.bits == x.bits);
  }
}

TEMPLATE_TEST_CASE("floats are rounded to the nearest 16-bit number, ties to even", "[unit][half]", basin::bfloat16,
                   basin::float16) {
  for (std::uint32_t bits = 0; bits < 0x7f800000u; bits += 40009) {
    float const x = std::bit_cast<float>(bits);
    REQUIRE(rounds_to_nearest<TestType>(x));
    REQUIRE(rounds_to_nearest<TestType>(-x));
  }
  for (TestType const low : all_numbers<TestType>()) {           // exactly between two neighbours
    TestType high = low;
    ++high.bits;
    double const middle = (meaning(low) + meaning(high)) / 2;
    if (!std::isfinite(middle) || std::signbit(meaning(low)) != std::signbit(meaning(high))) continue;
    REQUIRE(static_cast<double>(static_cast<float>(middle)) == middle);
    REQUIRE(rounds_to_nearest<TestType>(static_cast<float>(middle)));
  }
}

TEST_CASE("floats from half a step above the largest 16-bit number on become infinite", "[unit][half]") {
  CHECK(meaning(basin::float16(65519.996f)) == 65504.0);
  CHECK(std::isinf(meaning(basin::float16(65520.0f))));
  CHECK(meaning(basin::float16(-1e30f)) == -std::numeric_limits<double>::infinity());
  float const largest = std::bit_cast<float>(0x7f7f0000u);       // the largest bfloat16
  CHECK(meaning(basin::bfloat16(std::bit_cast<float>(0x7f7f7fffu))) == static_cast<double>(largest));
  CHECK(std::isinf(meaning(basin::bfloat16(std::bit_cast<float>(0x7f7f8000u)))));
}

TEMPLATE_TEST_CASE("batches load and store 16-bit numbers as scalars do", "[unit][half][simd]", basin::bfloat16,
                   basin::float16) {
  constexpr std::size_t width = basin::simd<float>::size;
  auto const all = all_numbers<TestType>();
  for (std::size_t n = 0; n < all.size(); n += width) {
    float values[width];
    auto const batch = basin::load_as<float>(all.data() + n);
    batch.store_unaligned(values);
    TestType back[width];
    basin::store_as(batch, back);
    for (std::size_t l = 0; l < width; ++l) {
      REQUIRE(same(values[l], all[n + l]));
      REQUIRE(back[l].bits == TestType(values[l]).bits);
    }
  }
}

}  // namespace basin_test
