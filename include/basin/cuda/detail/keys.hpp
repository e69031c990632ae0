// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The addresses of rows of keys and values, in one view or in pages.

#include "basin/core/paged.hpp"
#include "basin/cuda/machine.hpp"

namespace basin::gpu::detail {

/// The number of keys of a sequence.
template <class E>
BASIN_DEVICE index_t length_of(view<E, 4> const& keys, int) {
  return keys.extent(2);
}
template <class E>
BASIN_DEVICE index_t length_of(paged_view<E> const& keys, int batch) {
  return keys.lengths(batch);
}

/// The address of the row of a key if key < count; otherwise an address that may be computed but not read.
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

/// The addresses of consecutive rows of keys: row(n) of key `first` + n, as above.
template <class E>
BASIN_DEVICE auto rows_from(view<E, 4> const& keys, int batch, index_t head, index_t first, index_t) {
  return [start = &keys(batch, head, first, 0), step = keys.stride(2)](int n) {
    return start + static_cast<unsigned>(n) * step;
  };
}
template <class E>
BASIN_DEVICE auto rows_from(paged_view<E> const& keys, int batch, index_t head, index_t first, index_t count) {
  return [=, &keys](int n) { return row_of_key(keys, batch, head, first + n, count); };
}

/// A view with the extent and the stride of a row.
template <class E>
BASIN_HD view<E, 4> const& rows_of_keys(view<E, 4> const& keys) {
  return keys;
}
template <class E>
BASIN_HD view<E, 4> const& rows_of_keys(paged_view<E> const& keys) {
  return keys.pages;
}

}  // namespace basin::gpu::detail
