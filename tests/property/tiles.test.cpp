// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers mask/ and prune/: every policy against its definition, for every element and for tiles of any size.
#include <algorithm>

#include "basin/mask/all_of.hpp"
#include "basin/mask/block_causal.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/document_starts.hpp"
#include "basin/mask/documents.hpp"
#include "basin/mask/doubled_block_causal.hpp"
#include "basin/mask/key_padding.hpp"
#include "basin/mask/prefix.hpp"
#include "basin/mask/sliding_window.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/prune/all_of.hpp"
#include "basin/prune/block_sparse.hpp"
#include "basin/prune/heavy_hitters.hpp"
#include "basin/prune/keep_all.hpp"
#include "basin/prune/keep_keys.hpp"
#include "basin/prune/score_floor.hpp"
#include "basin/prune/window_with_sinks.hpp"
#include "support/archetypes.hpp"
#include "support/tiles.hpp"

namespace basin_test {

namespace {

using basin::coord;
using basin::index_t;

index_t constexpr positions = 24;

template <class Policy>
auto cells_of(Policy const& policy) {
  if constexpr (basin::mask<Policy>) return allowed_by(policy);
  else return kept_by(policy);
}

enum class tiles { exact, careful };

/// Compares the policy with `definition(coord)` for every element and for tiles. A `careful` policy may return `some`
/// where the coverage is `none` or `all`.
template <class Policy, class Definition>
void require_defined_by(Policy const& policy, Definition definition, tiles how = tiles::exact) {
  auto const visible = cells_of(policy);
  for_random_tiles(positions, 1500, [&](basin::tile const& t) {
    CAPTURE(t.batch, t.head, t.first_query, t.last_query, t.first_key, t.last_key);
    bool same = true;
    for (index_t i = t.first_query; i < t.last_query; ++i)
      for (index_t j = t.first_key; j < t.last_key; ++j)
        same = same && visible({t.batch, t.head, i, j}) == definition(coord{t.batch, t.head, i, j});
    CHECK(same);
    coverage const claimed = policy.covers(t), real = counted(t, definition);
    if (how == tiles::exact || claimed != coverage::some) CHECK(claimed == real);
  });
}

/// The block of a position; -1 for negative positions.
index_t block_of(index_t position, index_t block) { return position < 0 ? -1 : position / block; }

/// Bytes for [2, 2, n]: about a third are set; all in head 0 of batch 1, none in head 1 of batch 1.
std::vector<std::uint8_t> some_bytes(index_t n) {
  splitmix rng{77};
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(4 * n));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto const head = static_cast<index_t>(at) / n;
    bytes[at] = head == 2 ? 1 : head == 3 ? 0 : rng() % 3 == 0 ? 200 : 0;
  }
  return bytes;
}

}  // namespace

TEST_CASE("sliding_window allows the given number of keys to the left and to the right", "[property][mask]") {
  auto const open = basin::sliding_window::unlimited;
  using window = basin::sliding_window;
  for (window const w : {window{0, 0}, window{3, 0}, window{0, 2}, window{5, 5}, window{100, 100}, window{4, open},
                         window{open, 1}, window{open, open}}) {
    CAPTURE(w.left, w.right);
    require_defined_by(
        w, [w](coord c) { return c.key < c.query ? c.query - c.key <= w.left : c.key - c.query <= w.right; });
  }
}

TEST_CASE("sliding_window without future keys, prefix of length 0 and block_causal of block 1 equal causal",
          "[property][mask]") {
  auto const causal = [](coord c) { return c.key <= c.query; };
  require_defined_by(basin::sliding_window{basin::sliding_window::unlimited, 0}, causal);
  require_defined_by(basin::prefix{0}, causal);
  require_defined_by(basin::block_causal{1}, causal);
}

TEST_CASE("prefix allows the first keys to every query, the others causally", "[property][mask]") {
  for (index_t const length : {0, 1, 7, 23, 24, 100}) {
    CAPTURE(length);
    require_defined_by(basin::prefix{length}, [=](coord c) { return c.key < length || c.key <= c.query; });
  }
}

TEST_CASE("block_causal allows the blocks up to that of the query", "[property][mask]") {
  for (index_t const block : {1, 2, 5, 8, 24, 100}) {
    CAPTURE(block);
    require_defined_by(basin::block_causal{block},
                       [=](coord c) { return block_of(c.key, block) <= block_of(c.query, block); });
  }
}

TEST_CASE("doubled_block_causal allows the block-diagonal, offset and causal parts of the doubled input",
          "[property][mask]") {
  for (index_t const block : {1, 2, 5, 12, 100}) {
    CAPTURE(block);
    index_t const half = positions / 2;
    require_defined_by(basin::doubled_block_causal{block, half}, [=](coord c) {
      bool const noised_query = c.query < half, noised_key = c.key < half;
      index_t const own = block_of(noised_query ? c.query : c.query - half, block),
                    other = block_of(noised_key ? c.key : c.key - half, block);
      bool const diagonal = noised_query == noised_key && own == other;
      bool const offset = noised_query && !noised_key && other < own;
      bool const past = !noised_query && !noised_key && other <= own;
      return c.query >= 0 && (diagonal || offset || past);
    });
  }
}

TEST_CASE("doubled_block_causal of two blocks of two is the matrix written out", "[unit][mask]") {
  char const* const expected[] = {
      "11000000", "11000000", "00111100", "00111100",  // x_t: its own block, earlier clean blocks
      "00001100", "00001100", "00001111", "00001111"};  // x_0: clean blocks up to its own
  for (index_t i = 0; i < 8; ++i)
    for (index_t j = 0; j < 8; ++j) {
      CAPTURE(i, j);
      CHECK(basin::doubled_block_causal{2, 4}.allows({0, 0, i, j}) == (expected[i][j] == '1'));
    }
}

TEST_CASE("key_padding allows the keys below the length of their batch element", "[property][mask]") {
  for (auto const& lengths : {std::array<std::int32_t, 2>{5, 24}, {0, 100}, {-3, 23}}) {
    CAPTURE(lengths);
    require_defined_by(basin::key_padding{basin::contiguous(lengths.data(), 2)},
                       [&](coord c) { return c.key < lengths[static_cast<std::size_t>(c.batch)]; });
  }
}

TEST_CASE("documents and document_starts allow the keys of the document of the query", "[property][mask]") {
  // In batch 1 the last document ends at 20, and one document has length 0.
  std::int32_t const starts[] = {0, 3, 4, 11, 24, 2, 9, 9, 20, 20};
  std::vector<std::int32_t> packed(2 * positions), shuffled(2 * positions);
  splitmix rng{3};
  for (index_t at = 0; at < positions; ++at) {
    packed[static_cast<std::size_t>(at)] = at < 3 ? 7 : at < 4 ? 8 : at < 11 ? 9 : 12;
    packed[static_cast<std::size_t>(positions + at)] = at < 2 ? -1 : at < 9 ? 0 : at < 20 ? 2 : 5;
  }
  for (auto& id : shuffled) id = static_cast<std::int32_t>(rng() % 3) - 1;
  auto const same_id = [](std::vector<std::int32_t> const& ids) {
    return [&ids](coord c) {
      return c.query >= 0 && ids[static_cast<std::size_t>(c.batch * positions + c.query)] ==
                                 ids[static_cast<std::size_t>(c.batch * positions + c.key)];
    };
  };
  auto const view_of = [](std::vector<std::int32_t> const& ids) { return basin::contiguous(ids.data(), 2, positions); };
  require_defined_by(basin::documents{view_of(packed)}, same_id(packed));
  std::vector<std::int32_t> const one(2 * positions, 4);
  require_defined_by(basin::documents{view_of(one)}, same_id(one));
  require_defined_by(basin::documents{view_of(shuffled)}, same_id(shuffled), tiles::careful);
  require_defined_by(basin::document_starts{basin::contiguous(starts, 2, 5)}, [&](coord c) {
    auto const outside = [&](index_t at) { return c.batch == 1 && (at < 2 || at >= 20); };
    return same_id(packed)(c) && !outside(c.query) && !outside(c.key);
  });
}

TEST_CASE("all_of allows the keys that every mask allows", "[property][mask]") {
  std::int32_t const lengths[] = {9, 20};
  auto const padded = basin::key_padding{basin::contiguous(lengths, 2)};
  auto const definition = [&](coord c) { return c.key <= c.query && c.key < lengths[c.batch] && c.query - c.key <= 6; };
  require_defined_by(basin::all_of(basin::causal{}, padded, basin::sliding_window{6, 3}), definition, tiles::careful);
  require_defined_by(basin::all_of(basin::all_of(padded, basin::causal{}), basin::sliding_window{6, 0}), definition,
                     tiles::careful);
  require_defined_by(basin::all_of(basin::causal{}), [](coord c) { return c.key <= c.query; });
  require_defined_by(
      basin::all_of(holes{}, basin::causal{}), [](coord c) { return c.key <= c.query && holes{}.allows(c); },
      tiles::careful);
  CHECK(basin::all_of(basin::unmasked{}, basin::unmasked{}).covers({0, 0, 0, 5, 0, 5}) == coverage::all);
  CHECK(basin::all_of(basin::unmasked{}, basin::causal{}).covers({0, 0, 0, 2, 2, 5}) == coverage::none);
}

TEST_CASE("keep_keys keeps the keys of the set and no others", "[property][pruner]") {
  auto const bytes = some_bytes(positions);
  auto const marked = [&](coord c) {
    return bytes[static_cast<std::size_t>((c.batch * 2 + c.head) * positions + c.key)] != 0;
  };
  require_defined_by(basin::keep_keys{basin::contiguous(bytes.data(), 2, 2, positions)}, marked);
}

TEST_CASE("window_with_sinks keeps the first keys and the last keys up to the query", "[property][pruner]") {
  using window = basin::window_with_sinks;
  for (window const w :
       {window{4, 6, 0}, window{0, 1, 0}, window{0, 5, 3}, window{2, 1, 7}, window{30, 3, 0}, window{3, 100, 100}}) {
    CAPTURE(w.sinks, w.recent, w.ahead);
    require_defined_by(
        w, [w](coord c) { return c.key < w.sinks || (c.key > c.query - w.recent && c.key <= c.query + w.ahead); });
  }
}

TEST_CASE("block_sparse keeps the blocks of the pattern and no others", "[property][pruner]") {
  for (index_t const block : {1, 4, 5, 24}) {
    CAPTURE(block);
    index_t const n = (positions + block - 1) / block;
    auto const bytes = some_bytes(n * n);
    auto const marked = [&](coord c) {
      if (c.query < 0) return false;
      return bytes[static_cast<std::size_t>(((c.batch * 2 + c.head) * n + c.query / block) * n + c.key / block)] != 0;
    };
    require_defined_by(basin::block_sparse{basin::contiguous(bytes.data(), 2, 2, n, n), block}, marked);
  }
}

TEST_CASE("heavy_hitters keeps the keys of the set and the last keys up to the query", "[property][pruner]") {
  auto const bytes = some_bytes(positions);
  auto const set = basin::contiguous(bytes.data(), 2, 2, positions);
  for (index_t const recent : {0, 1, 4, 100}) {
    CAPTURE(recent);
    require_defined_by(basin::heavy_hitters{set, recent}, [&](coord c) {
      bool const near = c.key <= c.query && c.query < c.key + recent;
      return near || bytes[static_cast<std::size_t>((c.batch * 2 + c.head) * positions + c.key)] != 0;
    });
  }
}

TEST_CASE("score_floor keeps the floor itself and a NaN, and every score where the floor is -inf", "[unit][pruner]") {
  basin::score_floor const pruner{-0.5f};
  CHECK(pruner.keeps({}, -0.5f));
  CHECK(pruner.keeps({}, -0.5));
  CHECK_FALSE(pruner.keeps({}, std::nextafter(-0.5f, -1.0f)));
  CHECK_FALSE(pruner.keeps({}, -inf));
  CHECK(pruner.keeps({}, nan));
  CHECK(basin::score_floor{static_cast<float>(-inf)}.keeps({}, -inf));
  CHECK(basin::kept(pruner, {0, 0, 0, 4, 0, 4}) == coverage::some);
}

TEST_CASE("all_of keeps the keys that every pruner keeps, by position and by score", "[property][pruner]") {
  auto const bytes = some_bytes(positions);
  basin::keep_keys const set{basin::contiguous(bytes.data(), 2, 2, positions)};
  auto const definition = [&](coord c) {
    return (c.key < 2 || (c.key <= c.query && c.key > c.query - 5)) &&
           bytes[static_cast<std::size_t>((c.batch * 2 + c.head) * positions + c.key)] != 0;
  };
  require_defined_by(basin::all_of(basin::window_with_sinks{2, 5}, set), definition, tiles::careful);
  require_defined_by(
      basin::all_of(set, basin::score_floor{0.25f}, basin::all_of(basin::keep_all{}, basin::window_with_sinks{2, 5})),
      definition, tiles::careful);
  auto const both = basin::all_of(basin::keep_all{}, basin::score_floor{0.25f});
  CHECK(both.keeps({}, 0.25f));
  CHECK_FALSE(both.keeps({}, 0.2f));
}

}  // namespace basin_test
