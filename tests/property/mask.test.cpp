// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers concepts/mask.hpp, concepts/pruner.hpp, unmasked, causal, keep_all and drop_keys: the coverage of a tile is
// that of its elements.
#include "basin/attention.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/prune/drop_keys.hpp"
#include "basin/prune/keep_all.hpp"
#include "support/archetypes.hpp"
#include "support/catch.hpp"
#include "support/scores.hpp"
#include "support/tiles.hpp"

namespace basin_test {

TEST_CASE("the coverage that a mask returns for a tile is that of its elements", "[property][mask]") {
  require_covers_knows(basin::unmasked{}, allowed_by(basin::unmasked{}));
  require_covers_knows(basin::causal{}, allowed_by(basin::causal{}));
  require_covers_agrees(holes{}, allowed_by(holes{}));
  require_covers_agrees(blindfold{}, allowed_by(blindfold{}));
}

TEST_CASE("the coverage that a pruner returns for a tile is that of its elements", "[property][pruner]") {
  require_covers_knows(basin::keep_all{}, kept_by(basin::keep_all{}));
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    splitmix rng{seed};
    std::vector<std::uint8_t> dropped(2 * 7);
    for (auto& byte : dropped) byte = static_cast<std::uint8_t>(seed == 0 ? 0 : seed == 1 ? 1 : rng() % 3 * 100);
    basin::drop_keys const pruner{basin::contiguous(std::as_const(dropped).data(), 1, 2, 7)};
    require_covers_knows(pruner, kept_by(pruner));
  }
}

TEST_CASE("the coverage of a pruner without covers() is some for every tile", "[property][pruner]") {
  for_each_tile(3, [](basin::tile const& t) {
    CHECK(basin::kept(from_score{1}, t) == coverage::some);
    CHECK(basin::kept(basin::keep_all{}, t) == coverage::all);
  });
}

TEST_CASE("two coverages combine as their elements do", "[property][mask]") {
  coverage const each[] = {coverage::none, coverage::some, coverage::all};
  for (auto const a : each) {
    CHECK(basin::both(a, coverage::none) == coverage::none);
    CHECK(basin::both(coverage::none, a) == coverage::none);
    CHECK(basin::both(a, coverage::all) == a);
    CHECK(basin::both(coverage::all, a) == a);
  }
  CHECK(basin::both(coverage::some, coverage::some) == coverage::some);
}

TEST_CASE("causal allows keys up to the position of the query", "[unit][mask]") {
  for (int query = 0; query < 5; ++query)
    for (int key = 0; key < 5; ++key) CHECK(basin::causal{}.allows({0, 0, query, key}) == (key <= query));
  CHECK_FALSE(basin::causal{}.allows({0, 0, -1, 0}));            // a query before the first key
  CHECK(basin::causal{}.covers({0, 0, -3, 0, 0, 2}) == coverage::none);
  CHECK(basin::causal{}.covers({0, 0, -3, 1, 0, 2}) == coverage::some);
}

TEST_CASE("drop_keys reads the byte of the batch, head and key, with any strides", "[unit][pruner]") {
  std::vector<std::uint8_t> bytes(2 * 3 * 4, 0);
  bytes[(1 * 3 + 2) * 4 + 3] = 1;
  basin::drop_keys const own{basin::contiguous(std::as_const(bytes).data(), 2, 3, 4)};
  for (int b = 0; b < 2; ++b)
    for (int h = 0; h < 3; ++h)
      for (int k = 0; k < 4; ++k) CHECK(own.keeps({b, h, 0, k}, 0.0f) == !(b == 1 && h == 2 && k == 3));
  std::uint8_t const shared_bytes[] = {0, 1, 0, 255};
  basin::drop_keys const shared{
      basin::strided(shared_bytes, std::array<basin::index_t, 3>{2, 3, 4}, std::array<basin::index_t, 3>{0, 0, 1})};
  for (int b = 0; b < 2; ++b)
    for (int h = 0; h < 3; ++h)
      for (int k = 0; k < 4; ++k) CHECK(shared.keeps({b, h, 9, k}, 0.0) == (k % 2 == 0));
}

TEST_CASE("with() and replace() set one policy and keep the others, in any order", "[unit][attention]") {
  auto const a = basin::attention<>{}
                     .with(basin::softmax{2.0})
                     .with(holes{})
                     .with(from_score{0.5})
                     .with(concentration{})
                     .with(bent{});
  auto const b = basin::attention<>{}
                     .with(bent{})
                     .with(concentration{})
                     .with(from_score{0.5})
                     .with(holes{})
                     .with(basin::softmax{2.0});
  static_assert(std::is_same_v<decltype(a), decltype(b)>);
  CHECK(a.normalize.temperature == 2.0);
  CHECK(b.normalize.temperature == 2.0);
  CHECK(a.prune.least == 0.5);
  CHECK(a.replace(basin::softmax{3.0}).prune.least == 0.5);
  CHECK(a.replace(from_score{0.25}).normalize.temperature == 2.0);
}

}  // namespace basin_test
