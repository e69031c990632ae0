// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string_view>

#include "basin/lm/tokenizers/merge_table.hpp"
#include "basin/lm/tokenizers/token_map.hpp"

namespace basin::lm::detail {

/// Adds the merges of a vocabulary that has ranks of tokens and no list of merges: there, two tokens merge if their
/// bytes together are a token, and every cut of `token` into two tokens is such a merge.
///
/// Cost      O(n^2) for a token of n bytes
inline void add_all_splits(merge_table& merges, token_map const& ids, std::string_view token, merge const& what) {
  for (std::size_t cut = 1; cut < token.size(); ++cut) {
    auto const left = ids.find(token.substr(0, cut));
    if (left == ids.end()) continue;
    auto const right = ids.find(token.substr(cut));
    if (right != ids.end() && !merges.add(left->second, right->second, what)) return;  // the token is there twice
  }
}

}  // namespace basin::lm::detail
