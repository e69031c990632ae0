// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers sinks/ranking.hpp
#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "basin/sinks/ranking.hpp"
#include "support/catch.hpp"

namespace basin {

TEST_CASE("strongest keys come first, and of tied keys the earlier one", "[unit][sinks]") {
  std::vector<double> const received{1.0, 3.0, 0.5, 3.0, 2.0, 0.5};
  CHECK(sinks::strongest_keys(received, 0).empty());
  CHECK(sinks::strongest_keys(received, 1) == std::vector<index_t>{1});
  CHECK(sinks::strongest_keys(received, 3) == std::vector<index_t>{1, 3, 4});
  CHECK(sinks::strongest_keys(received, 6) == std::vector<index_t>{1, 3, 4, 0, 2, 5});
  CHECK(sinks::strongest_keys(std::vector<double>(5, 1.0), 3) == std::vector<index_t>{0, 1, 2});
}

TEST_CASE("the ranking does not depend on the unit", "[property][sinks]") {
  philox rng(3);
  std::vector<double> received(97), scaled(97);
  for (std::size_t j = 0; j < received.size(); ++j) scaled[j] = (received[j] = uniform(rng)) * 0x1p-5;
  CHECK(sinks::strongest_keys(received, 10) == sinks::strongest_keys(scaled, 10));
}

TEST_CASE("random keys are distinct, in range, and the same for the same seed", "[unit][sinks]") {
  auto const keys = GENERATE(1, 2, 10, 64);
  auto const count = GENERATE(0, 1, 5, 10);
  if (count > keys) return;
  philox a(11), b(11);
  auto const chosen = sinks::random_keys(a, keys, count);
  CHECK(chosen == sinks::random_keys(b, keys, count));
  std::set<index_t> const different(chosen.begin(), chosen.end());
  CHECK(static_cast<int>(different.size()) == count);
  CHECK(std::all_of(chosen.begin(), chosen.end(), [&](index_t key) { return key >= 0 && key < keys; }));
}

TEST_CASE("all sets of random keys are equally likely", "[property][sinks]") {
  // There are 20 sets of 3 out of 6. 20000 draws give 1000 each, with a standard deviation of 30.8; 5 are allowed.
  philox rng(5);
  std::map<std::set<index_t>, int> seen;
  for (int draw = 0; draw < 20000; ++draw) {
    auto const chosen = sinks::random_keys(rng, 6, 3);
    ++seen[{chosen.begin(), chosen.end()}];
  }
  CHECK(seen.size() == 20);
  for (auto const& [set, times] : seen) CHECK(std::abs(times - 1000) < 154);
}

TEST_CASE("marks are written for the whole row, or not at all", "[unit][sinks]") {
  std::vector<std::uint8_t> marks(5, 1);
  sinks::mark_keys(std::vector<index_t>{4, 1}, marks);
  CHECK(marks == std::vector<std::uint8_t>{0, 1, 0, 0, 1});
  CHECK_THROWS_AS(sinks::mark_keys(std::vector<index_t>{0, 5}, marks), shape_error);
  CHECK_THROWS_AS(sinks::mark_keys(std::vector<index_t>{-1}, marks), shape_error);
  CHECK(marks == std::vector<std::uint8_t>{0, 1, 0, 0, 1});
}

TEST_CASE("a negative number of keys, or more than there are, is refused", "[unit][sinks]") {
  philox rng(1);
  std::vector<double> const received(4, 1.0);
  for (index_t const count : {-1, 5}) {
    CHECK_THROWS_AS(sinks::strongest_keys(received, count), value_error);
    CHECK_THROWS_AS(sinks::random_keys(rng, 4, count), value_error);
  }
  CHECK(rng.position() == 0);
}

}  // namespace basin
