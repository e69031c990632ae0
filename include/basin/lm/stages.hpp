// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The blocks of a model with what they keep between a forward and a backward pass: any number of blocks of one type, or
// some of several types.

#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

namespace basin::lm {

namespace detail {

/// A block and what it keeps between forward and backward.
template <class Block>
struct stage {
  Block block;
  typename Block::activations kept{};
  typename Block::workspace work{};
};

/// The blocks of a model: any number of one type, or some of several.
template <class Blocks>
struct stages_of;

template <class Block>
struct stages_of<std::vector<Block>> {
  using first = Block;
  std::vector<stage<Block>> all;

  explicit stages_of(std::vector<Block> blocks) {
    for (auto& block : blocks) all.push_back({std::move(block)});
  }
  std::size_t count() const { return all.size(); }
  template <class F>
  void each(F const& f) {
    for (std::size_t l = 0; l < all.size(); ++l) f(static_cast<int>(l), all[l]);
  }
  template <class F>
  void each_backwards(F const& f) {
    for (std::size_t l = all.size(); l-- > 0;) f(static_cast<int>(l), all[l]);
  }
  /// Where a block computes if nothing is kept: memory that blocks of one type share.
  stage<Block>& scratch_of(stage<Block>&) { return all.front(); }
};

template <class... Blocks>
struct stages_of<std::tuple<Blocks...>> {
  static_assert(sizeof...(Blocks) > 0, "basin: a transformer needs at least one block");
  using first = std::tuple_element_t<0, std::tuple<Blocks...>>;
  std::tuple<stage<Blocks>...> all;

  explicit stages_of(std::tuple<Blocks...> blocks)
      : all(std::apply([](auto&... one) { return std::tuple<stage<Blocks>...>{stage<Blocks>{std::move(one)}...}; },
                       blocks)) {}
  std::size_t count() const { return sizeof...(Blocks); }
  template <class F>
  void each(F const& f) {
    each_in(f, std::index_sequence_for<Blocks...>{});
  }
  template <class F>
  void each_backwards(F const& f) {
    each_back(f, std::index_sequence_for<Blocks...>{});
  }
  template <class Stage>
  Stage& scratch_of(Stage& own) {
    return own;
  }

 private:
  template <class F, std::size_t... I>
  void each_in(F const& f, std::index_sequence<I...>) {
    (f(static_cast<int>(I), std::get<I>(all)), ...);
  }
  template <class F, std::size_t... I>
  void each_back(F const& f, std::index_sequence<I...>) {
    constexpr std::size_t last = sizeof...(I) - 1;
    (f(static_cast<int>(last - I), std::get<last - I>(all)), ...);
  }
};

}  // namespace detail

}  // namespace basin::lm
