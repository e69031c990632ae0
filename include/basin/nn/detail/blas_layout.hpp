// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>

#include "basin/nn/rows.hpp"

// Shape checks of a product, for every engine, and the layout of its matrices for a BLAS.

namespace basin::nn::detail {

/// The layout of a matrix for a BLAS: one stride is 1, the other is the leading dimension.
struct blas_layout {
  char orientation;  // 'N': rows are contiguous, 'T': columns are
  index_t leading;
};

template <class T>
blas_layout layout_of(char const* what, view<T, 2> x) {
  auto const lies = [&](int along, int across) {
    return (x.extent(along) <= 1 || x.stride(along) == 1) &&
           (x.extent(across) <= 1 || x.stride(across) >= x.extent(along));
  };
  if (lies(1, 0)) return {'N', std::max({index_t{1}, x.extent(1), x.extent(0) > 1 ? x.stride(0) : 1})};
  if (lies(0, 1)) return {'T', std::max({index_t{1}, x.extent(0), x.extent(1) > 1 ? x.stride(1) : 1})};
  throw shape_error(message("basin::nn::multiply: ", what, " has strides ", x.stride(0), ", ", x.stride(1),
                            " and extents ", x.extent(0), " x ", x.extent(1),
                            "; one stride must be 1, the other at least the extent of the first"));
}

/// Errors    shape_error: the product of a [m, k] and b [k, n] is not of the shape of c
template <class T>
void require_product(view<T const, 2> a, view<T const, 2> b, view<T, 2> c) {
  require_equal("multiply", "the number of columns of a", a.extent(1), "the number of rows of b", b.extent(0));
  require_equal("multiply", "the number of rows of a", a.extent(0), "the number of rows of c", c.extent(0));
  require_equal("multiply", "the number of columns of b", b.extent(1), "the number of columns of c", c.extent(1));
  if (c.extent(0) > 0 && c.extent(1) > 0) require_rows("multiply", "c", c);
}

}  // namespace basin::nn::detail
