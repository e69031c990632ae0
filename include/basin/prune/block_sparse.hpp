// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "basin/concepts/pruner.hpp"
#include "basin/core/error.hpp"
#include "basin/core/problem.hpp"

namespace basin {

/// Keeps the marked blocks of queries x keys; every head has its own pattern.
///
/// Models    pruner
/// Shapes    blocks [batch, heads, >= ceil(Nk / block), >= ceil(Nk / block)], one byte a block, 0 = hidden, by logical
///           position of query and key; a stride of 0 shares one pattern among heads or batches
/// Edges     a query before the first key (Nq > Nk) keeps no key; a query whose blocks are all hidden gives 0
/// Cost      covers() reads the bytes of its blocks; engines skip tiles without a marked block
/// Errors    shape_error from validate(): another batch or head count, too few blocks; value_error: block < 1
struct block_sparse {
  view<std::uint8_t const, 4> blocks{};
  index_t block = 128;

  template <class T>
  BASIN_HD bool keeps(coord c, T) const {
    return c.query >= 0 && blocks(c.batch, c.head, c.query / block, c.key / block) != 0;
  }

  BASIN_HD coverage covers(tile t) const {
    if (t.last_query <= 0) return coverage::none;
    bool any = false, every = t.first_query >= 0;
    for (index_t i = (t.first_query < 0 ? 0 : t.first_query) / block; i <= (t.last_query - 1) / block; ++i)
      for (index_t j = t.first_key / block; j <= (t.last_key - 1) / block; ++j) {
        bool const marked = blocks(t.batch, t.head, i, j) != 0;
        any = any || marked;
        every = every && marked;
      }
    return !any ? coverage::none : every ? coverage::all : coverage::some;
  }

  template <class F>
  void views(F&& f) const { f("basin::block_sparse", "blocks", blocks); }
  void validate(problem const& p) const {
    if (block < 1)
      throw value_error(message("basin::block_sparse: block is ", block, "; a block needs at least 1 position"));
    index_t const needed = (p.keys + block - 1) / block;
    if (blocks.data_handle() == nullptr || blocks.extent(0) != p.batch || blocks.extent(1) != p.heads ||
        blocks.extent(2) < needed || blocks.extent(3) < needed)
      throw shape_error(message("basin::block_sparse: the pattern is for [", blocks.extent(0), ", ", blocks.extent(1),
                                ", ", blocks.extent(2), ", ", blocks.extent(3),
                                "] (batch, heads, blocks of queries, blocks of keys) but the call has [", p.batch,
                                ", ", p.heads, ", ", needed, ", ", needed, "] in blocks of ", block));
  }
};

static_assert(pruner<block_sparse>);

/// The number of blocks that sparse_pattern marks: int(n * select) + 1 of the n key blocks of the first `prompt` keys,
/// and the same share of the blocks after them.
struct sparse_choice {
  index_t block = 128;
  double select = 0.3;
  index_t prompt = 0;
};

namespace detail {

/// Marks the `count` largest of values[first, last); of equal values, the first ones.
inline void mark_largest(std::vector<double> const& values, index_t first, index_t last, index_t count,
                         std::vector<char>& marked) {
  std::vector<index_t> order;
  for (index_t j = first; j < last; ++j) order.push_back(j);
  std::stable_sort(order.begin(), order.end(), [&](index_t a, index_t b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  for (index_t n = 0; n < std::min(count, last - first); ++n)
    marked[static_cast<std::size_t>(order[static_cast<std::size_t>(n)])] = 1;
}

}  // namespace detail

/// Computes the blocks that block_sparse keeps, from one call of full attention observed by block_mass: for each block
/// of queries, the key blocks with the largest mean weight per key.
///
/// Source    Wang et al. 2025, arXiv 2509.24014 (SparseD), and the code of its authors, whose scale is 1/sqrt(heads)
///           where attention's is 1/sqrt(dim); here the weights are those of the call
/// Shapes    masses [batch, heads, Nq, blocks of keys], by block_mass with the same block; blocks [batch, heads, n, n],
///           n = ceil(Nk / block), overwritten; query r of the call has position r + Nk - Nq
/// Edges     the block in which the prompt ends belongs to the prompt; ties go to the first blocks; a block of queries
///           without a query of the call keeps all keys
/// Throws    shape_error, value_error; nothing is written before all checks have passed
template <class Masses>
void sparse_pattern(Masses const& masses, index_t keys, sparse_choice how, view<std::uint8_t, 4> const& blocks) {
  if (how.block < 1)
    throw value_error(message("basin::sparse_pattern: block is ", how.block, "; a block needs at least 1 position"));
  if (!(how.select >= 0 && how.select <= 1))
    throw value_error(message("basin::sparse_pattern: select is ", how.select, "; it must be from 0 to 1"));
  if (how.prompt < 0 || how.prompt > keys)
    throw value_error(message("basin::sparse_pattern: prompt is ", how.prompt, "; it must be from 0 to the ", keys,
                              " keys"));
  index_t const count = (keys + how.block - 1) / how.block, prompt = (how.prompt + how.block - 1) / how.block;
  index_t const queries = masses.extent(2);
  if (masses.extent(3) != count || blocks.extent(0) != masses.extent(0) || blocks.extent(1) != masses.extent(1) ||
      blocks.extent(2) != count || blocks.extent(3) != count)
    throw shape_error(message("basin::sparse_pattern: blocks is [", blocks.extent(0), ", ", blocks.extent(1), ", ",
                              blocks.extent(2), ", ", blocks.extent(3), "] and masses is [", masses.extent(0), ", ",
                              masses.extent(1), ", ", queries, ", ", masses.extent(3), "]; they need ", count,
                              " blocks for ", keys, " keys, and the same batch and heads"));
  auto const budget = [&](index_t n) { return static_cast<index_t>(static_cast<double>(n) * how.select) + 1; };
  std::vector<double> mean(static_cast<std::size_t>(count));
  for (index_t b = 0; b < blocks.extent(0); ++b)
    for (index_t h = 0; h < blocks.extent(1); ++h)
      for (index_t i = 0; i < count; ++i) {
        index_t const first = std::max<index_t>(0, i * how.block - (keys - queries));
        index_t const last = std::min(queries, (i + 1) * how.block - (keys - queries));
        for (index_t j = 0; j < count; ++j) {
          double sum = 0;
          for (index_t row = first; row < last; ++row) sum += masses(b, h, row, j);
          mean[static_cast<std::size_t>(j)] = sum / static_cast<double>(std::min(how.block, keys - j * how.block));
        }
        std::vector<char> marked(mean.size(), first < last ? 0 : 1);
        detail::mark_largest(mean, 0, prompt, budget(prompt), marked);
        detail::mark_largest(mean, prompt, count, budget(count - prompt), marked);
        for (index_t j = 0; j < count; ++j)
          blocks(b, h, i, j) = static_cast<std::uint8_t>(marked[static_cast<std::size_t>(j)]);
      }
}

}  // namespace basin
