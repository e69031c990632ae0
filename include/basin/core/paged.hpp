// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Paged keys and values: sequences of different lengths in one batch, stored in any pages of a pool.

#include <algorithm>
#include <string_view>
#include <type_traits>

#include "basin/core/problem.hpp"

namespace basin {

/// Keys (or values) of a batch of sequences: key j of sequence b is row j % page_size of page table(b, j / page_size).
///
/// Shapes    pages [pages, kv_heads, page_size, dim], any strides; table [batch, >= ceil(longest / page_size)];
///           lengths [batch]. Sequences may share pages
/// Edges     a sequence of length 0 has no keys, and its queries give 0; entries of the table beyond a sequence's
///           length are not read
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

/// Checks that every key of every sequence lies in an existing page.
template <class T>
void require_pages(std::string_view caller, char const* name, paged_view<T> const& v) {
  char const* const axis[] = {"pages", "heads", "rows in a page", "dim"};
  for (int r = 1; r < 4; ++r)
    if (v.pages.extent(r) < 1)
      throw shape_error(message(caller, ": the pool of ", name, " has ", v.pages.extent(r), " for ", axis[r],
                                "; every extent must be at least 1"));
  if (v.pages.extent(0) > 0 && v.pages.data_handle() == nullptr)
    throw shape_error(message(caller, ": the pool of ", name, " points to no memory; pass a view of its pages"));
  if (v.lengths.data_handle() == nullptr)
    throw shape_error(message(caller, ": the lengths of ", name, " point to no memory; pass one a sequence"));
  if (v.table.data_handle() == nullptr && v.longest() > 0)
    throw shape_error(message(caller, ": the table of ", name, " points to no memory; pass one row a sequence"));
  if (v.table.extent(0) != v.batch())
    throw shape_error(message(caller, ": the table of ", name, " has ", v.table.extent(0), " rows but there are ",
                              v.batch(), " lengths; give one row a sequence"));
  for (index_t b = 0; b < v.batch(); ++b) {
    index_t const length = v.lengths(b), capacity = v.table.extent(1) * v.page_size();
    if (length < 0 || length > capacity)
      throw shape_error(message(caller, ": sequence ", b, " of ", name, " has length ", length, ", but the table has ",
                                v.table.extent(1), " pages of ", v.page_size(),
                                " a sequence; a length must be from 0 to ", capacity));
    for (index_t n = 0; n * v.page_size() < length; ++n)
      if (v.table(b, n) < 0 || v.table(b, n) >= v.pages.extent(0))
        throw shape_error(message(caller, ": the table of ", name, " gives page ", v.table(b, n), " to place ", n,
                                  " of sequence ", b, "; pages are numbered from 0 to ", v.pages.extent(0) - 1));
  }
}

}  // namespace detail

/// Checks a forward call on paged keys and values. `keys` of the problem is the length of the longest sequence.
///
/// Errors    shape_error: pages that do not exist, lengths beyond the table, unequal batch, lengths, heads or dims;
///           outputs as check_output
template <class Q, class K, class V, class Out>
problem check_forward(std::string_view caller, Q const& q, paged_view<K> const& k, paged_view<V> const& v,
                      Out const& out) {
  detail::require_extents(caller, "q", q);
  detail::require_pages(caller, "k", k);
  detail::require_pages(caller, "v", v);
  detail::require_equal(caller, "the batch of k", k.batch(), "the batch of q", q.extent(0));
  detail::require_equal(caller, "the batch of v", v.batch(), "the batch of q", q.extent(0));
  detail::require_equal(caller, "the number of heads of v", v.heads(), "that of k", k.heads());
  detail::require_equal(caller, "the dim of k", k.dim(), "the dim of q", q.extent(3));
  for (index_t b = 0; b < k.batch(); ++b)
    detail::require_equal(caller, message("the length of sequence ", b, " of v").c_str(), v.lengths(b), "that of k",
                          k.lengths(b));
  if (q.extent(1) % k.heads() != 0)
    throw shape_error(message(caller, ": q has ", q.extent(1), " heads and k has ", k.heads(),
                              "; query heads must be a multiple of key heads"));
  problem const p{q.extent(0), q.extent(1), k.heads(), q.extent(2), k.longest(), q.extent(3), v.dim()};
  check_output(caller, "out", out, p.batch, p.heads, p.queries, p.value_dim);
  check_apart(caller, operands_of_forward(q, k, v, out));
  using detail::reading, detail::writing;
  check_apart(caller, std::array{reading("the table of k", k.table), reading("the lengths of k", k.lengths),
                                 reading("the table of v", v.table), reading("the lengths of v", v.lengths),
                                 writing("out", out)});
  return p;
}

}  // namespace basin
