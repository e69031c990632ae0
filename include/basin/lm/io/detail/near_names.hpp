// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The names of a list that are nearest to a name that is not in it, for messages.

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"

namespace basin::lm::detail {

/// The least number of characters to insert, remove or replace that makes one text the other. Source: Wagner and
/// Fischer 1974.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t const replaced = diagonal + (a[i] != b[j] ? 1 : 0);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

/// The same, but 1 where only a prefix is missing: 'norm.weight' and 'model.norm.weight'.
inline std::size_t name_distance(std::string_view a, std::string_view b) {
  return a.ends_with(b) || b.ends_with(a) ? 1 : edit_distance(a, b);
}

/// "did you mean 'a' or 'b'? ": the nearest names of things that have a name; empty if none is near.
template <class Named>
std::string did_you_mean(std::string_view name, Named const& all) {
  constexpr std::size_t shown = 3, most_compared = 5000;             // of names that fit a message
  std::vector<std::pair<std::size_t, std::string_view>> near;
  if (name.size() <= longest_quotation)
    for (auto const& thing : all)
      if (thing.name.size() <= longest_quotation && near.size() < most_compared)
        near.emplace_back(name_distance(name, thing.name), thing.name);
  std::ranges::stable_sort(near, {}, [](auto const& one) { return one.first; });
  std::erase_if(near, [&](auto const& one) { return one.first > name.size() / 2; });
  near.resize(std::min(near.size(), shown));
  if (near.empty()) return "";
  std::vector<std::string> names;
  for (auto const& one : near) names.push_back(printable(one.second));
  return message("did you mean ", alternatives(names), "? ");
}

}  // namespace basin::lm::detail
