// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The merges of byte pair encoding (Sennrich et al. 2016): which two adjacent tokens become one, and in which order.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace basin::lm {

/// What a pair of tokens becomes. The pair of the lowest rank is merged first.
struct merge {
  std::uint32_t rank = 0;
  int id = -1;
};

/// A hash table from pairs of token ids to merges, with open addressing and at most half of its places in use.
///
/// Cost      32 to 64 bytes a merge; one or two cache misses a search
class merge_table {
 public:
  std::size_t size() const { return used; }

  void reserve(std::size_t merges) {
    std::size_t places = 16;
    while (places < 2 * merges) places *= 2;
    if (places > entries.size()) rehash(places);
  }

  /// Adds a merge of two ids that are at least 0; returns false, and changes nothing, if the pair has one already.
  [[nodiscard]] bool add(int left, int right, merge const& what) {
    reserve(used + 1);
    entry& place = entries[place_of(key_of(left, right))];
    if (place.key != vacant) return false;
    place = {key_of(left, right), what};
    ++used;
    return true;
  }

  /// The merge of a pair; null if there is none.
  merge const* find(int left, int right) const {
    if (entries.empty()) return nullptr;
    entry const& place = entries[place_of(key_of(left, right))];
    return place.key == vacant ? nullptr : &place.what;
  }

 private:
  static constexpr std::uint64_t vacant = ~std::uint64_t{0};

  struct entry {
    std::uint64_t key = vacant;
    merge what;
  };

  static std::uint64_t key_of(int left, int right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }

  /// Where a key is, or the vacant place where it would be.
  std::size_t place_of(std::uint64_t key) const {
    std::uint64_t const mixed = key * 0x9e3779b97f4a7c15;  // 2^64 / golden ratio: Knuth, vol. 3, section 6.4
    std::size_t place = (mixed ^ mixed >> 32) & (entries.size() - 1);
    while (entries[place].key != vacant && entries[place].key != key) place = (place + 1) & (entries.size() - 1);
    return place;
  }

  void rehash(std::size_t places) {
    std::vector<entry> const old = std::exchange(entries, std::vector<entry>(places));
    for (entry const& e : old)
      if (e.key != vacant) entries[place_of(e.key)] = e;
  }

  std::vector<entry> entries;  // a power of two
  std::size_t used = 0;
};

}  // namespace basin::lm
