// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers core/random.hpp
#include <array>
#include <cmath>
#include <vector>

#include "basin/core/random.hpp"
#include "support/catch.hpp"

namespace basin_test {

namespace {

using words = cuda::std::array<std::uint32_t, 4>;

/// Philox4x32-10 from the paper's figures, independent of the library: the key schedule first, then ten S-P boxes.
words philox_by_the_paper(words x, std::array<std::uint32_t, 2> key) {
  std::array<std::array<std::uint32_t, 2>, 10> keys{};
  for (std::uint32_t r = 0; r < 10; ++r) keys[r] = {key[0] + r * 0x9E3779B9u, key[1] + r * 0xBB67AE85u};
  for (auto const& k : keys) {
    std::uint64_t const left = 0xD2511F53ull * x[0], right = 0xCD9E8D57ull * x[2];
    x = {static_cast<std::uint32_t>(right >> 32) ^ x[1] ^ k[0], static_cast<std::uint32_t>(right & 0xffffffff),
         static_cast<std::uint32_t>(left >> 32) ^ x[3] ^ k[1], static_cast<std::uint32_t>(left & 0xffffffff)};
  }
  return x;
}

}  // namespace

TEST_CASE("the Philox of this test gives the published answers of Random123", "[unit][random]") {
  CHECK(philox_by_the_paper({0, 0, 0, 0}, {0, 0}) == words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox_by_the_paper({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox_by_the_paper({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("philox gives the published words for seed 0, and those of this test for other seeds and counters",
          "[unit][random]") {
  CHECK(basin::philox::words(0, 0) == words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  for (std::uint64_t const seed : {1ull, 0x299f31d0a4093822ull, ~0ull})
    for (std::uint64_t const counter : {0ull, 7ull, 0x85a308d3243f6a88ull, ~0ull})
      CHECK(basin::philox::words(seed, counter) ==
            philox_by_the_paper({std::uint32_t(counter), std::uint32_t(counter >> 32), 0, 0},
                                {std::uint32_t(seed), std::uint32_t(seed >> 32)}));
}

TEST_CASE("a stream is the concatenation of its blocks, and resumes at any position", "[unit][random]") {
  basin::philox rng(42);
  std::vector<std::uint32_t> stream;
  for (int n = 0; n < 11; ++n) {
    CHECK(rng.position() == static_cast<std::uint64_t>(n));
    stream.push_back(rng());
  }
  CHECK(rng.seed() == 42);
  for (std::size_t n = 0; n < stream.size(); ++n) {
    CHECK(stream[n] == basin::philox::words(42, n / 4)[n % 4]);
    basin::philox resumed(42, n);
    CHECK(resumed() == stream[n]);
  }
  basin::philox copy = rng;
  CHECK(copy() == rng());
  basin::philox last(1, ~0ull);                                  // the position wraps around
  CHECK(last() == basin::philox::words(1, ~0ull / 4)[3]);
  CHECK(last() == basin::philox::words(1, 0)[0]);
}

TEST_CASE("uniform numbers are at least 0 and below 1 and use 53 bits", "[unit][random]") {
  struct constant {
    std::uint32_t word;
    std::uint32_t operator()() const { return word; }
  };
  constant lowest{0}, highest{~0u};
  CHECK(basin::uniform(lowest) == 0);
  CHECK(basin::uniform(highest) == 1 - 0x1p-53);
  basin::philox rng(3);
  double sum = 0, squares = 0;
  int const n = 100000;
  for (int i = 0; i < n; ++i) {
    double const x = basin::uniform(rng);
    REQUIRE((x >= 0 && x < 1));
    sum += x, squares += x * x;
  }
  CHECK(rng.position() == 2u * n);
  CHECK(std::fabs(sum / n - 0.5) < 5 * std::sqrt(1.0 / 12 / n));                               // five standard errors
  CHECK(std::fabs(squares / n - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / n));
}

TEST_CASE("below() is uniform, also where 2^32 is not a multiple of n", "[unit][random]") {
  basin::philox rng(5);
  CHECK(basin::below(rng, 1) == 0);
  for (std::uint32_t const n : {3u, 10u, 4096u}) {
    std::vector<int> seen(n, 0);
    int const draws = 40960;
    for (int i = 0; i < draws; ++i) {
      auto const x = basin::below(rng, n);
      REQUIRE(x < n);
      ++seen[x];
    }
    double const expected = static_cast<double>(draws) / n;
    double chi = 0;
    for (int const count : seen) chi += (count - expected) * (count - expected) / expected;
    CHECK(chi < (n - 1) + 5 * std::sqrt(2.0 * (n - 1)) + 10);                                // five standard deviations
  }
  // n = 3 * 2^30: without rejection, the lowest of every three numbers would be drawn twice as often as each other
  int const draws = 30000;
  int low = 0;
  for (int i = 0; i < draws; ++i) low += basin::below(rng, 3221225472u) % 3 == 0;
  CHECK(std::fabs(low - draws / 3.0) < 5 * std::sqrt(draws * 2.0 / 9));
  // a word is rejected exactly where the product mod 2^32 is below 2^32 mod n
  struct once {
    std::vector<std::uint32_t> words;
    std::size_t next = 0;
    std::uint32_t operator()() { return words.at(next++); }
  };
  once refused{{0, 5}};
  basin::below(refused, 3);                                      // 2^32 mod 3 = 1, and 0 * 3 = 0 is below it
  CHECK(refused.next == 2);
  once taken{{1, 5}};
  basin::below(taken, 3);
  CHECK(taken.next == 1);
}

TEST_CASE("normal numbers have the moments of a normal distribution and are always finite", "[unit][random]") {
  basin::philox rng(9);
  double sums[4] = {};
  int const n = 100000;
  for (int i = 0; i < n; ++i) {
    double const x = basin::normal(rng);
    REQUIRE(std::isfinite(x));
    for (int m = 0; m < 4; ++m) sums[m] += std::pow(x, m + 1) / n;
  }
  CHECK(rng.position() == 4u * n);
  double const error = 5 / std::sqrt(static_cast<double>(n));
  CHECK(std::fabs(sums[0]) < error);
  CHECK(std::fabs(sums[1] - 1) < error * std::sqrt(2.0));
  CHECK(std::fabs(sums[2]) < error * std::sqrt(15.0));
  CHECK(std::fabs(sums[3] - 3) < error * std::sqrt(96.0));
  struct constant {
    std::uint32_t word;
    std::uint32_t operator()() const { return word; }
  };
  constant highest{~0u};
  CHECK(std::isfinite(basin::normal(highest)));
}

}  // namespace basin_test
