// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace basin::lm::detail {

/// Texts with a number each, found by the longest that a text begins with.
///
/// Cost      one hash search a byte of the longest match; add: one node a byte
class prefix_tree {
 public:
  /// Adds a text that is not empty; a text that is there already gets the new number.
  void add(std::string_view text, int number) {
    std::uint64_t node = root;
    for (char const c : text) {
      auto const [next, is_new] = children.try_emplace(edge(node, c), numbers.size());
      if (is_new) numbers.push_back(none);
      node = next->second;
    }
    numbers[node] = number;
  }

  struct match {
    std::size_t length = 0;
    int number = none;
  };

  /// The longest text that `text` begins with; its length is 0 if there is none.
  match longest(std::string_view text) const {
    match found;
    std::uint64_t node = root;
    for (std::size_t i = 0; i < text.size(); ++i) {
      auto const next = children.find(edge(node, text[i]));
      if (next == children.end()) break;
      node = next->second;
      if (numbers[node] != none) found = {i + 1, numbers[node]};
    }
    return found;
  }

  bool empty() const { return children.empty(); }

 private:
  static constexpr std::uint64_t root = 0;
  static constexpr int none = -1;

  static std::uint64_t edge(std::uint64_t node, char c) { return node << 8 | static_cast<unsigned char>(c); }

  std::unordered_map<std::uint64_t, std::uint64_t> children;
  std::vector<int> numbers = std::vector<int>(1, none);  // [nodes]
};

}  // namespace basin::lm::detail
