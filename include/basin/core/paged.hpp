// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Keys and values that lie in pages: sequences of different lengths in one batch, each wherever there was room.

#include <algorithm>
#include <string_view>
#include <type_traits>

#include "basin/core/problem.hpp"

namespace basin {

/// Keys (or values) of a batch of sequences: key j of sequence b is row j % page_size of page table(b, j / page_size).
///
/// Shapes    pages [pages, kv_heads, page_size, dim], any strides; table [batch, >= ceil(longest / page_size)]; lengths [batch].
///           Sequences may share pages
/// Edges     a sequence of length 0 has no keys, and its queries give 0; places of the table behind a sequence's length are not read
/// Example   examples/06_decode.cpp
template <class T>
struct paged_view {
  using element_type = T;
  using value_type = std::remove_const_t<T>;

  view<T, 4> pages{};
  view<std::int32_t const, 2> table{};
  view<std::int32_t const, 1> lengths{};

  index_t batch() const { return lengths.extent(0); }
  index_t heads() const { return pages.extent(1); }
  index_t page_size() const { return pages.extent(2); }
  index_t dim() const { return pages.extent(3); }
  index_t longest() const {
    index_t most = 0;
    for (index_t b = 0; b < batch(); ++b) most = std::max<index_t>(most, lengths(b));
    return most;
  }
};

namespace detail {

/// That every key of every sequence has a place in a page that exists.
template <class T>
void require_pages(std::string_view who, char const* name, paged_view<T> const& at) {
  char const* const axis[] = {"pages", "heads", "rows in a page", "dim"};
  for (int r = 1; r < 4; ++r)
    if (at.pages.extent(r) < 1)
      throw shape_error(message(who, ": the pool of ", name, " has ", at.pages.extent(r), " for ", axis[r], "; every extent must be at least 1"));
  if (at.pages.extent(0) > 0 && at.pages.data_handle() == nullptr)
    throw shape_error(message(who, ": the pool of ", name, " points to no memory; pass a view of its pages"));
  if (at.lengths.data_handle() == nullptr) throw shape_error(message(who, ": the lengths of ", name, " point to no memory; pass one a sequence"));
  if (at.table.data_handle() == nullptr && at.longest() > 0) throw shape_error(message(who, ": the table of ", name, " points to no memory; pass one row a sequence"));
  if (at.table.extent(0) != at.batch())
    throw shape_error(message(who, ": the table of ", name, " has ", at.table.extent(0), " rows but there are ", at.batch(),
                              " lengths; give one row a sequence"));
  for (index_t b = 0; b < at.batch(); ++b) {
    index_t const length = at.lengths(b), room = at.table.extent(1) * at.page_size();
    if (length < 0 || length > room)
      throw shape_error(message(who, ": sequence ", b, " of ", name, " has length ", length, ", but the table has ", at.table.extent(1), " pages of ",
                                at.page_size(), " a sequence; a length must be from 0 to ", room));
    for (index_t n = 0; n * at.page_size() < length; ++n)
      if (at.table(b, n) < 0 || at.table(b, n) >= at.pages.extent(0))
        throw shape_error(message(who, ": the table of ", name, " gives page ", at.table(b, n), " to place ", n, " of sequence ", b,
                                  "; pages are numbered from 0 to ", at.pages.extent(0) - 1));
  }
}

}  // namespace detail

/// All that a forward call against pages must satisfy. `keys` of the problem is the longest sequence.
///
/// Errors    shape_error: pages that do not exist, lengths beyond the table, unequal batch, lengths, heads or dims, outputs as check_output
template <class Q, class K, class V, class Out>
problem check_forward(std::string_view who, Q const& q, paged_view<K> const& k, paged_view<V> const& v, Out const& out) {
  detail::require_extents(who, "q", q);
  detail::require_pages(who, "k", k);
  detail::require_pages(who, "v", v);
  detail::require_equal(who, "the batch of k", k.batch(), "the batch of q", q.extent(0));
  detail::require_equal(who, "the batch of v", v.batch(), "the batch of q", q.extent(0));
  detail::require_equal(who, "the number of heads of v", v.heads(), "that of k", k.heads());
  detail::require_equal(who, "the dim of k", k.dim(), "the dim of q", q.extent(3));
  for (index_t b = 0; b < k.batch(); ++b)
    detail::require_equal(who, message("the length of sequence ", b, " of v").c_str(), v.lengths(b), "that of k", k.lengths(b));
  if (q.extent(1) % k.heads() != 0)
    throw shape_error(message(who, ": q has ", q.extent(1), " heads and k has ", k.heads(), "; query heads must be a multiple of key heads"));
  problem const p{q.extent(0), q.extent(1), k.heads(), q.extent(2), k.longest(), q.extent(3), v.dim()};
  check_output(who, "out", out, p.batch, p.heads, p.queries, p.value_dim);
  check_apart(who, operands_of_forward(q, k, v, out));
  using detail::reading, detail::writing;
  check_apart(who, std::array{reading("the table of k", k.table), reading("the lengths of k", k.lengths), reading("the table of v", v.table),
                              reading("the lengths of v", v.lengths), writing("out", out)});
  return p;
}

}  // namespace basin
