// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Long sums over keys, in a tree: a part is 8 blocks of keys, 32 parts make a group. Parts are added to their group and
// groups to the whole, so that no accumulator takes more than 8 blocks + 32 parts + all groups. Rounding errors grow
// with that number, not with that of the keys: 1024 + 32 + 122 additions for 4 million keys.

#include <type_traits>

#include "basin/core/problem.hpp"
#include "basin/cpu/tuning.hpp"

namespace basin::cpu::detail {

inline constexpr index_t blocks_per_part = 8, parts_per_group = 32;
inline constexpr int most_levels = 3;

constexpr index_t keys_per_part(tuning const& cut) { return blocks_per_part * cut.keys_per_block; }

/// How many sums a tree over so many keys holds at once.
constexpr int levels_of_sum(index_t keys, index_t part) {
  return keys <= part ? 1 : keys <= parts_per_group * part ? 2 : most_levels;
}

/// The sums of a tree: the open part, the completed parts of its group, and the completed groups. The boundaries of
/// parts depend on the positions of the keys alone, so hidden parts change no bit. Upper levels are created when they
/// are needed.
///
/// Requires  add(into, from): joins two sums; lift(to, from): `to` becomes what `from` is; both leave `from` empty
template <class Sum>
class sum_tree {
  static_assert(std::is_trivially_destructible_v<Sum>);

 public:
  explicit sum_tree(Sum const& empty) { level(0) = empty; }

  Sum& level(int n) { return levels[n].sum; }
  /// The sum of the open part.
  Sum& open() { return levels[0].sum; }
  Sum const& open() const { return levels[0].sum; }

  /// Called before keys of part `next` are added. Parts come in order.
  template <class Add, class Lift>
  void move_to(index_t next, Add const& add, Lift const& lift) {
    if (part >= 0 && next != part) {
      close(0, add, lift);
      if (next / parts_per_group != part / parts_per_group) close(1, add, lift), holds[0] = false;
    }
    part = next;
  }
  /// The sum of all parts; it ends the tree.
  template <class Add>
  Sum& total(Add const& add) {
    int top = 0;
    for (int n = 0; n + 1 < most_levels; ++n)
      if (holds[n]) {
        add(level(n + 1), level(top));
        top = n + 1;
      }
    return level(top);
  }

 private:
  union storage {
    Sum sum;
    storage() {}  // no sum exists yet
  };

  template <class Add, class Lift>
  void close(int n, Add const& add, Lift const& lift) {
    if (holds[n]) add(level(n + 1), level(n));
    else lift(level(n + 1), level(n));
    holds[n] = true;
  }

  storage levels[most_levels];
  bool holds[most_levels - 1] = {};  // whether the level above n has a sum
  index_t part = -1;
};

}  // namespace basin::cpu::detail
