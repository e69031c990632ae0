// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Checks the answers of masks and pruners for tiles against their answers for every cell.

#include "basin/concepts/mask.hpp"
#include "basin/concepts/pruner.hpp"
#include "support/catch.hpp"
#include "support/scores.hpp"

namespace basin_test {

using basin::coverage;

/// The coverage of a tile, counted cell by cell.
template <class Sees>
coverage counted(basin::tile const& t, Sees sees) {
  basin::index_t seen = 0, cells = 0;
  for (auto query = t.first_query; query < t.last_query; ++query)
    for (auto key = t.first_key; key < t.last_key; ++key) {
      ++cells;
      seen += sees(basin::coord{t.batch, t.head, query, key});
    }
  return seen == 0 ? coverage::none : seen == cells ? coverage::all : coverage::some;
}

template <class F>
void for_each_tile(basin::index_t most, F&& f) {
  for (basin::index_t q0 = 0; q0 < most; ++q0)
    for (basin::index_t q1 = q0 + 1; q1 <= most; ++q1)
      for (basin::index_t k0 = 0; k0 < most; ++k0)
        for (basin::index_t k1 = k0 + 1; k1 <= most; ++k1)
          for (int head = 0; head < 2; ++head) f(basin::tile{0, head, q0, q1, k0, k1});
}

/// The answer may also be `some` if a mask cannot be more precise; the library's own masks always are.
template <class Policy, class Sees>
void require_covers_agrees(Policy const& policy, Sees sees) {
  for_each_tile(7, [&](basin::tile const& t) {
    CAPTURE(t.head, t.first_query, t.last_query, t.first_key, t.last_key);
    coverage const claimed = policy.covers(t), real = counted(t, sees);
    if (claimed != coverage::some) CHECK(claimed == real);
  });
}

template <class Policy, class Sees>
void require_covers_knows(Policy const& policy, Sees sees) {
  for_each_tile(7, [&](basin::tile const& t) {
    CAPTURE(t.head, t.first_query, t.last_query, t.first_key, t.last_key);
    CHECK(policy.covers(t) == counted(t, sees));
  });
}

template <class Mask>
auto allowed_by(Mask const& m) {
  return [m](basin::coord c) { return m.allows(c); };
}

template <class Pruner>
auto kept_by(Pruner const& p) {
  return [p](basin::coord c) { return p.keeps(c, 0.5); };
}

/// Random tiles among `positions` positions, some with queries before the first key.
template <class F>
void for_random_tiles(basin::index_t positions, int count, F&& f) {
  splitmix rng{static_cast<std::uint64_t>(positions)};
  auto const range = [&](basin::index_t from, basin::index_t to) {
    basin::index_t const size = to - from;
    basin::index_t const first = from + static_cast<basin::index_t>(rng() % static_cast<std::uint64_t>(size));
    return std::pair{first, first + 1 + static_cast<basin::index_t>(rng() % static_cast<std::uint64_t>(to - first))};
  };
  for (int n = 0; n < count; ++n) {
    auto const [q0, q1] = range(n % 4 == 0 ? -5 : 0, positions);
    auto const [k0, k1] = range(0, positions);
    f(basin::tile{n / 2 % 2, n % 2, q0, q1, k0, k1});
  }
}

}  // namespace basin_test
