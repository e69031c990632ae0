// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Byte pair encoding of one piece of text: merges the pair of the lowest rank, the leftmost of equals, until no pair of
// neighbours has a merge. Tokens are a linked list and pairs a heap, so that a long piece costs n log n.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <queue>
#include <vector>

#include "basin/lm/tokenizers/merge_table.hpp"

namespace basin::lm {

/// Applies merges to sequences of token ids, with buffers that are used again.
///
/// Order     ranks first, then positions from left to right
/// Cost      O(n log n) for n ids; about 50 bytes an id
/// Edges     the table must outlive this; a sequence has fewer than 2^32 - 1 ids
class merger {
 public:
  explicit merger(merge_table const& merges) : table(merges) {}

  /// Merges `ids` in place.
  void operator()(std::vector<int>& ids) {
    if (ids.size() < 2) return;
    link(ids.size());
    for (std::uint32_t left = 0; left + 1 < ids.size(); ++left) propose(ids, left);
    while (!candidates.empty()) {
      candidate const best = candidates.top();
      candidates.pop();
      std::uint32_t const right = next[best.left];
      // A candidate is outdated if one of its two tokens has been merged since.
      if (ids[best.left] != best.left_id || right == none || ids[right] != best.right_id) continue;
      ids[best.left] = best.id;
      remove(ids, right);
      propose(ids, best.left);
      if (previous[best.left] != none) propose(ids, previous[best.left]);
    }
    std::erase(ids, gone);
  }

 private:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  static constexpr int gone = -1;

  struct candidate {
    std::uint32_t rank, left;
    int left_id, right_id, id;
  };
  struct later {
    bool operator()(candidate const& a, candidate const& b) const {
      return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
    }
  };

  void link(std::size_t size) {
    next.resize(size);
    previous.resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      next[i] = i + 1 < size ? static_cast<std::uint32_t>(i + 1) : none;
      previous[i] = i > 0 ? static_cast<std::uint32_t>(i - 1) : none;
    }
  }

  void remove(std::vector<int>& ids, std::uint32_t at) {
    ids[at] = gone;
    next[previous[at]] = next[at];
    if (next[at] != none) previous[next[at]] = previous[at];
  }

  void propose(std::vector<int> const& ids, std::uint32_t left) {
    std::uint32_t const right = next[left];
    if (right == none) return;
    if (merge const* const found = table.find(ids[left], ids[right]))
      candidates.push({found->rank, left, ids[left], ids[right], found->id});
  }

  merge_table const& table;
  std::vector<std::uint32_t> next, previous;
  std::priority_queue<candidate, std::vector<candidate>, later> candidates;
};

}  // namespace basin::lm
