// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers the choice of sets in prune/block_sparse.hpp and prune/heavy_hitters.hpp, observe/top_mass.hpp,
// observe/active_set_size.hpp and observe/block_mass.hpp.
#include <algorithm>

#include "basin/core/problem.hpp"
#include "basin/observe/active_set_size.hpp"
#include "basin/observe/block_mass.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/observe/top_mass.hpp"
#include "basin/prune/block_sparse.hpp"
#include "basin/prune/heavy_hitters.hpp"
#include "basin/prune/keep_keys.hpp"
#include "basin/reference.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

namespace basin_test {

namespace {

using bytes = std::vector<std::uint8_t>;
using doubles = std::vector<double>;

/// The pattern of one head.
bytes pattern_of(doubles const& masses, index_t queries, index_t keys, basin::sparse_choice how) {
  index_t const n = (keys + how.block - 1) / how.block;
  bytes out(static_cast<std::size_t>(n * n), 99);
  basin::sparse_pattern(basin::contiguous(masses.data(), 1, 1, queries, n), keys, how,
                        basin::contiguous(out.data(), 1, 1, n, n));
  return out;
}

/// One head with an H2O cache.
struct head {
  doubles scores;
  bytes kept;
  explicit head(std::size_t keys) : scores(keys, 0.0), kept(keys, 1) {}
  void update(doubles const& received, basin::heavy_budget budget) {
    auto const keys = static_cast<index_t>(kept.size());
    basin::update_heavy_hitters(basin::contiguous(received.data(), 1, 1, static_cast<index_t>(received.size())), budget,
                                basin::contiguous(scores.data(), 1, 1, keys),
                                basin::contiguous(kept.data(), 1, 1, keys));
  }
};

}  // namespace

TEST_CASE("sparse_pattern keeps a share of the blocks and one more, those that receive the most attention",
          "[unit][pruner]") {
  // Four queries, eight keys in blocks of two: the mass of each query in each block of keys.
  doubles const masses = {0.1, 0.4, 0.2, 0.3, 0.1, 0.2, 0.6, 0.1,                              // query block 2
                          0.7, 0.1, 0.1, 0.1, 0.0, 0.3, 0.3, 0.4};                             // query block 3
  // Sums: 0.2 0.6 0.8 0.4 and 0.7 0.4 0.4 0.5. Query blocks 0 and 1 are not in the call.
  CHECK(pattern_of(masses, 4, 8, {2, 0.0, 0}) == bytes{1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0});
  CHECK(pattern_of(masses, 4, 8, {2, 0.25, 0}) == bytes{1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1});
  // the first of a tie
  CHECK(pattern_of(masses, 4, 8, {2, 0.5, 0}) == bytes{1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1});
  CHECK(pattern_of(masses, 4, 8, {2, 1.0, 0}) == bytes(16, 1));
}

TEST_CASE("sparse_pattern chooses blocks of the prompt and of the generation separately", "[unit][pruner]") {
  doubles const masses = {0.1, 0.4, 0.2, 0.3};
  for (index_t const prompt : {3, 4}) {                          // the block in which the prompt ends belongs to it
    CAPTURE(prompt);
    CHECK(pattern_of(masses, 1, 8, {2, 0.0, prompt}) == bytes{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1});
  }
  CHECK(pattern_of(masses, 1, 8, {2, 0.0, 8}) == bytes{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0});
}

TEST_CASE("sparse_pattern ranks a short last block by its mean", "[unit][pruner]") {
  doubles const masses = {0.3, 0.4, 0.3, 0.4, 0.3, 0.4, 0.4, 0.2, 0.4, 0.2};  // of a block of four keys and one of one
  CHECK(pattern_of(masses, 5, 5, {4, 0.0, 0}) == bytes{0, 1, 0, 1});
}

TEST_CASE("sparse_pattern refuses numbers out of range and wrong shapes, and writes nothing", "[unit][errors]") {
  doubles const masses(2 * 3 * 4 * 3);
  bytes out(2 * 3 * 3 * 3, 7);
  auto const of = basin::contiguous(masses.data(), 2, 3, 4, 3);
  auto const to = basin::contiguous(out.data(), 2, 3, 3, 3);
  CHECK_THROWS_AS(basin::sparse_pattern(of, 9, {0, 0.5, 0}, to), basin::value_error);
  CHECK_THROWS_AS(basin::sparse_pattern(of, 9, {3, 1.5, 0}, to), basin::value_error);
  CHECK_THROWS_AS(basin::sparse_pattern(of, 9, {3, nan, 0}, to), basin::value_error);
  CHECK_THROWS_AS(basin::sparse_pattern(of, 9, {3, 0.5, 10}, to), basin::value_error);
  CHECK_THROWS_AS(basin::sparse_pattern(of, 9, {3, 0.5, -1}, to), basin::value_error);
  CHECK_THROWS_AS(basin::sparse_pattern(of, 9, {4, 0.5, 0}, basin::contiguous(out.data(), 2, 3, 2, 3)),
                  basin::shape_error);
  CHECK_THROWS_AS(basin::sparse_pattern(of, 12, {3, 0.5, 0}, to), basin::shape_error);
  CHECK_THROWS_AS(basin::sparse_pattern(of, 9, {3, 0.5, 0}, basin::contiguous(out.data(), 2, 2, 3, 3)),
                  basin::shape_error);
  CHECK(out == bytes(out.size(), 7));
}

TEST_CASE("update_heavy_hitters keeps the heaviest of the older keys and the last keys, and evicts the others for good",
          "[unit][pruner]") {
  head h(8);
  h.update({1.0, 3.0, 2.0, 0.5, 0.1}, {2, 2});                   // older keys: 0, 1, 2
  CHECK(h.kept == bytes{0, 1, 1, 1, 1, 1, 1, 1});
  CHECK(h.scores == doubles{0, 3, 2, 0.5, 0.1, 0, 0, 0});
  h.update({9.0, 0.0, 0.0, 2.0, 0.0, 0.0}, {2, 2});  // older keys: 1 with 3, 2 with 2, 3 with 2.5; 0 is evicted
  CHECK(h.kept == bytes{0, 1, 0, 1, 1, 1, 1, 1});
  CHECK(h.scores == doubles{0, 3, 0, 2.5, 0.1, 0, 0, 0});
  h.update({0, 0, 0, 0, 2.9, 0, 0, 0}, {2, 2});                  // older keys: 1 with 3, 3 with 2.5, 4 with 3, 5 with 0
  CHECK(h.kept == bytes{0, 1, 0, 0, 1, 0, 1, 1});
}

TEST_CASE("update_heavy_hitters keeps the earlier of tied keys, counts a NaN as 0, and evicts no key within the budget",
          "[unit][pruner]") {
  head tied(6), spoiled(4), roomy(4), recent(5);
  tied.update({1, 1, 1, 1, 1, 1}, {2, 1});
  CHECK(tied.kept == bytes{1, 1, 0, 0, 0, 1});
  spoiled.update({nan, 0.1, nan, 0.2}, {2, 0});
  CHECK(spoiled.kept == bytes{0, 1, 0, 1});
  roomy.update({1, 2, 3, 4}, {2, 2});
  CHECK(roomy.kept == bytes(4, 1));
  recent.update({5, 4, 3, 2, 1}, {0, 2});
  CHECK(recent.kept == bytes{0, 0, 0, 1, 1});
}

TEST_CASE("update_heavy_hitters refuses budgets out of range and wrong shapes, and changes nothing", "[unit][errors]") {
  head h(4);
  CHECK_THROWS_AS(h.update({1, 2, 3, 4}, {-1, 2}), basin::value_error);
  CHECK_THROWS_AS(h.update({1, 2, 3, 4}, {3, -2}), basin::value_error);
  CHECK_THROWS_AS(h.update({1, 2, 3, 4}, {0, 0}), basin::value_error);
  CHECK_THROWS_AS(h.update({1, 2, 3, 4, 5}, {1, 1}), basin::shape_error);
  doubles const received(12);
  doubles scores(12);
  auto const of = basin::contiguous(received.data(), 1, 3, 4);
  auto const shared = basin::strided(h.kept.data(), std::array<index_t, 3>{1, 3, 4}, std::array<index_t, 3>{4, 0, 1});
  CHECK_THROWS_AS(basin::update_heavy_hitters(of, {1, 1}, basin::contiguous(scores.data(), 1, 3, 4), shared),
                  basin::shape_error);
  CHECK(h.kept == bytes(4, 1));
  CHECK(h.scores == doubles(4, 0.0));
}

TEST_CASE("under H2O an evicted key receives no attention again, and the kept keys stay within the budget",
          "[unit][pruner]") {
  index_t const keys = 20, dim = 4;
  tensor<double> q({1, 2, keys, dim}), k({1, 1, keys, dim}), v({1, 1, keys, dim}), out({1, 2, 1, dim});
  q.fill_normal(1), k.fill_normal(2), v.fill_normal(3);
  doubles scores(2 * keys, 0.0), received(2 * keys);
  bytes kept(2 * keys, 1), before = kept;
  for (index_t step = 1; step <= keys; ++step) {
    auto const first = [&](tensor<double>& t, index_t from, index_t length) {
      return basin::strided(&t.v(0, 0, from, 0), std::array<index_t, 4>{1, t.v.extent(1), length, dim},
                            std::array<index_t, 4>{t.v.stride(0), t.v.stride(1), dim, 1});
    };
    auto const sums = basin::contiguous(received.data(), 1, 2, step);
    auto const use = basin::attention<>{}
                         .with(basin::keep_keys{basin::contiguous(std::as_const(kept).data(), 1, 2, keys)})
                         .with(basin::received_attention{sums});
    basin::reference::forward(use, first(q, step - 1, 1), first(k, 0, step), first(v, 0, step), out.v);
    for (index_t n = 0; n < 2 * step; ++n)
      if (kept[static_cast<std::size_t>(n / step * keys + n % step)] == 0)
        REQUIRE(received[static_cast<std::size_t>(n)] == 0);
    basin::update_heavy_hitters(sums, {3, 2}, basin::contiguous(scores.data(), 1, 2, keys),
                                basin::contiguous(kept.data(), 1, 2, keys));
    for (index_t h = 0; h < 2; ++h)
      CHECK(std::count(kept.begin() + h * keys, kept.begin() + h * keys + step, 1) == std::min<index_t>(step, 5));
    for (std::size_t n = 0; n < kept.size(); ++n) REQUIRE(kept[n] <= before[n]);
    before = kept;
  }
}

TEST_CASE("top_mass sums the largest weights, whatever their order, ties and signs", "[unit][observer]") {
  auto const of = [](index_t largest, doubles const& weights) { return basin::top_mass{{}, largest}.of(weights); };
  CHECK(of(2, {0.1, 0.4, 0.2, 0.3}) == 0.4 + 0.3);
  CHECK(of(1, {0.1, 0.4, 0.2, 0.3}) == 0.4);
  CHECK(of(4, {0.25, 0.25, 0.25, 0.25}) == 1);
  CHECK(of(9, {0.25, 0.5}) == 0.75);
  CHECK(of(3, {0.25, 0.25, 0.25, 0.25}) == 0.75);
  CHECK(of(3, {0.5, 0.125, 0.125, 0.125, 0.125}) == 0.75);
  CHECK(of(2, {0, 0, 0, 0.5, 0}) == 0.5);
  CHECK(of(2, {-0.0, 0.0, -0.0}) == 0);
  CHECK(of(2, {-1, -0.25, -0.5, -3}) == -0.75);
  CHECK(of(2, {1e-300, 5e-324, 0, 0}) == 1e-300 + 5e-324);
  CHECK(of(1, {}) == 0);
  for (double const spoiled : {nan, std::copysign(nan, -1.0)}) CHECK(std::isnan(of(1, {0.5, spoiled, 0.25})));
  splitmix rng{5};
  for (int n = 0; n < 300; ++n) {
    doubles weights(1 + rng() % 60);
    for (double& w : weights) w = n % 2 == 0 ? uniform_number(rng) : static_cast<double>(rng() % 5) / 16;
    auto const largest = static_cast<index_t>(1 + rng() % 12);
    doubles sorted = weights;
    std::sort(sorted.rbegin(), sorted.rend());
    double sum = 0;
    for (std::size_t j = 0; j < sorted.size() && static_cast<index_t>(j) < largest; ++j) sum += sorted[j];
    CAPTURE(n, largest, weights);
    CHECK_THAT(of(largest, weights), WithinRel(sum, 1e-14));
  }
}

TEST_CASE("active_set_size counts weights above its threshold, and not those equal to it", "[unit][observer]") {
  doubles const weights{0.5, 0, 0.25, nan, 0.25}, scores(5);
  double count = -1;
  auto const counts = basin::contiguous(&count, 1, 1, 1);
  basin::active_set_size{counts}.sees_whole_row({0, 0, 0}, {weights, scores, 5});
  CHECK(count == 3);
  basin::active_set_size{counts, 0.25}.sees_whole_row({0, 0, 0}, {weights, scores, 5});
  CHECK(count == 1);
}

}  // namespace basin_test
