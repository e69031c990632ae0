// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <oneapi/dnnl/dnnl.h>

#include <algorithm>

#include "basin/config.hpp"
#include "basin/core/threads.hpp"
#include "basin/nn/detail/blas_layout.hpp"
#include "basin/nn/rows.hpp"

// Matrix products. Products of float call oneDNN tile by tile: a library that divides one product among threads may
// split the sum over k, and then the bits depend on the number of threads. Here the tiles depend only on the shape, and
// one thread computes each tile. Products of double are a plain loop, for checks of the layers.

namespace basin::nn {
namespace detail {

/// Rows and columns of the result that one thread computes, a function of the shape only.
/// Measured on 2 x 2.6 GHz AVX-512, 2048 x {384, 704} x 128: 64 rows give 158-169 GFLOP/s a core, 128 rows 167-177, 512
/// rows 180-188. With 128 rows, 2048 rows make 16 tiles for the threads. Gradients of weights have few rows, so their
/// tiles have 64.
struct product_tile {
  index_t rows, columns;
};
constexpr product_tile tile_for(index_t rows) { return {rows >= 1024 ? 128 : 64, 512}; }

/// One tile of c = a b (+ c), computed by the calling thread.
inline dnnl_status_t multiply_tile(view<float const, 2> a, blas_layout la, view<float const, 2> b, blas_layout lb,
                                   view<float, 2> c, product_tile tile, index_t i, index_t j, update how) {
  index_t const rows = std::min(tile.rows, c.extent(0) - i), columns = std::min(tile.columns, c.extent(1) - j);
  index_t const ldc = std::max(c.extent(0) > 1 ? c.stride(0) : 1, c.extent(1));
  float const keep = how == update::add ? 1.0f : 0.0f;
  return dnnl_sgemm(la.orientation, lb.orientation, rows, columns, a.extent(1), 1.0f,
                    a.data_handle() + i * a.stride(0), la.leading, b.data_handle() + j * b.stride(1), lb.leading, keep,
                    &c(i, j), ldc);
}

inline void multiply_checked(view<float const, 2> a, view<float const, 2> b, view<float, 2> c, update how) {
  auto const la = layout_of("a", a), lb = layout_of("b", b);
  auto const tile = tile_for(c.extent(0));
  index_t const down = (c.extent(0) + tile.rows - 1) / tile.rows;
  index_t const across = (c.extent(1) + tile.columns - 1) / tile.columns;
  bool const threaded = down * across > 1 && c.extent(0) * c.extent(1) * a.extent(1) > 64 * worth_threads;
  int failed = 0;
  BASIN_OMP(parallel reduction(| : failed) if (threaded))
  {
    int const before = threads::most();
    threads::set_most(1);  // for this thread: the number of threads that oneDNN may use inside a tile
    BASIN_OMP(for schedule(static))
    for (index_t t = 0; t < down * across; ++t) {
      index_t const i = t / across * tile.rows, j = t % across * tile.columns;
      failed |= multiply_tile(a, la, b, lb, c, tile, i, j, how) != dnnl_success;
    }
    threads::set_most(before);
  }
  if (failed)
    throw error("basin::nn::multiply: oneDNN rejected a product of checked shapes; it is probably out of memory");
}

inline void multiply_checked(view<double const, 2> a, view<double const, 2> b, view<double, 2> c, update how) {
  index_t const inner = a.extent(1);
  BASIN_OMP(parallel for schedule(static) if (c.extent(0) * c.extent(1) * inner > worth_threads))
  for (index_t i = 0; i < c.extent(0); ++i) {
    for (index_t j = 0; j < c.extent(1); ++j) {
      double sum = 0;
      for (index_t p = 0; p < inner; ++p) sum += a(i, p) * b(p, j);
      c(i, j) = how == update::add ? c(i, j) + sum : sum;
    }
  }
}

}  // namespace detail

/// c = a b, or c += a b. Strides express transposition: multiply(x, transposed(weight), y).
///
/// Shapes    a [m, k], b [k, n], c [m, n]; a and b have one stride of 1, c has contiguous rows; c overlaps neither
/// Precision float: oneDNN's sgemm; double: sums in the order of k
/// Cost      2 m n k flop
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads; without OpenMP as far as oneDNN guarantees it
template <class T>
void multiply(const_view<T, 2> a, const_view<T, 2> b, view<T, 2> c, update how = update::replace) {
  detail::require_product<T>(a, b, c);
  if (c.extent(0) == 0 || c.extent(1) == 0) return;
  if (a.extent(1) > 0) return detail::multiply_checked(a, b, c, how);
  if (how == update::add) return;
  for (index_t i = 0; i < c.extent(0); ++i) std::fill_n(detail::row(c, i), c.extent(1), T(0));  // an empty sum
}

}  // namespace basin::nn
