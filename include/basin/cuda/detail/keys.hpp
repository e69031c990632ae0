// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Where the rows of keys and values lie: in one view, or in pages.

#include "basin/core/paged.hpp"
#include "basin/cuda/machine.hpp"

namespace basin::gpu::detail {

/// How many keys a sequence has.
template <class E>
BASIN_DEVICE index_t length_of(view<E, 4> const& keys, int) {
  return keys.extent(2);
}
template <class E>
BASIN_DEVICE index_t length_of(paged_view<E> const& keys, int batch) {
  return keys.lengths(batch);
}

/// Where the row of a key begins, if it is one of `count`; else an address that is not to be read from, but may be made.
template <class E>
BASIN_DEVICE E* row_of_key(view<E, 4> const& keys, int batch, index_t head, index_t key, index_t) {
  return &keys(batch, head, key, 0);
}
template <class E>
BASIN_DEVICE E* row_of_key(paged_view<E> const& keys, int batch, index_t head, index_t key, index_t count) {
  if (key >= count) key = 0;                                     // the table has no page for it
  index_t const size = keys.pages.extent(2);
  return &keys.pages(keys.table(batch, key / size), head, key % size, 0);
}

/// Where rows of keys begin that follow one another, the first at key `first`: row(n), as above.
template <class E>
BASIN_DEVICE auto rows_from(view<E, 4> const& keys, int batch, index_t head, index_t first, index_t) {
  return [start = &keys(batch, head, first, 0), step = keys.stride(2)](int n) { return start + static_cast<unsigned>(n) * step; };
}
template <class E>
BASIN_DEVICE auto rows_from(paged_view<E> const& keys, int batch, index_t head, index_t first, index_t count) {
  return [=, &keys](int n) { return row_of_key(keys, batch, head, first + n, count); };
}

/// The numbers of a row, and from one to the next.
template <class E>
BASIN_HD view<E, 4> const& rows_of_keys(view<E, 4> const& keys) {
  return keys;
}
template <class E>
BASIN_HD view<E, 4> const& rows_of_keys(paged_view<E> const& keys) {
  return keys.pages;
}

}  // namespace basin::gpu::detail
