// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <vector>

#include "basin/config.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rows.hpp"

// Rotary positions: feature d of a head is paired with feature d + dim/2 (the rotate-half layout of Llama checkpoints),
// and the pair at position p is rotated by the angle p base^(-2d/dim). Source: Su et al. 2021, eq. 34.

namespace basin::nn {

/// Cosines and sines of every position up to a context length, computed once in double.
///
/// Shapes    cosine, sine [positions, dim / 2]
/// Errors    value_error: an odd dim, a base <= 0, no position
template <class T>
class rope_table {
 public:
  rope_table(index_t positions, index_t dim, double base) : count(positions), half(dim / 2) {
    if (positions < 1 || dim < 2 || dim % 2 != 0 || !(base > 0))
      throw value_error(message("basin::nn::rope_table: ", positions, " positions, dim ", dim, ", base ", base,
                                "; it needs a position, an even dim and a base > 0"));
    cosines.resize(positions * half);
    sines.resize(positions * half);
    for (index_t p = 0; p < positions; ++p) {
      for (index_t d = 0; d < half; ++d) {
        double const exponent = -2.0 * static_cast<double>(d) / static_cast<double>(dim);
        double const angle = static_cast<double>(p) * std::pow(base, exponent);
        cosines[p * half + d] = static_cast<T>(std::cos(angle));
        sines[p * half + d] = static_cast<T>(std::sin(angle));
      }
    }
  }

  index_t positions() const { return count; }
  index_t dim() const { return 2 * half; }
  T const* cosine(index_t position) const { return cosines.data() + position * half; }
  T const* sine(index_t position) const { return sines.data() + position * half; }

 private:
  index_t count, half;
  std::vector<T> cosines, sines;
};

namespace detail {

/// (a, b) <- (a cos - b sin, b cos + a sin), for every engine.
template <class T>
BASIN_HD BASIN_INLINE void turn_pair(T& low, T& high, T cosine, T sine) {
  T const a = low, b = high;
  low = a * cosine - b * sine;
  high = b * cosine + a * sine;
}

/// Rotates all pairs by their angles; `turn` is 1, or -1 to rotate back.
template <class T>
void rotate_pairs(view<T, 4> x, rope_table<T> const& table, index_t first, T turn) {
  index_t const batch = x.extent(0), heads = x.extent(1), length = x.extent(2), half = x.extent(3) / 2;
  BASIN_OMP(parallel for collapse(2) schedule(static) if (batch * heads * length * half > worth_threads))
  for (index_t b = 0; b < batch; ++b) {
    for (index_t i = 0; i < length; ++i) {
      T const *cosine = table.cosine(first + i), *sine = table.sine(first + i);
      for (index_t h = 0; h < heads; ++h) {
        T *low = x.data_handle() + b * x.stride(0) + h * x.stride(1) + i * x.stride(2), *high = low + half;
        BASIN_OMP(simd)
        for (index_t d = 0; d < half; ++d) turn_pair(low[d], high[d], cosine[d], turn * sine[d]);
      }
    }
  }
}

/// Table: rope_table, or a table in a device's memory.
template <class T, class Table>
void require_rope(char const* function, view<T, 4> x, Table const& table, index_t first) {
  require_equal(function, "the dim of a head", x.extent(3), "the dim of the table", table.dim());
  if (x.stride(3) != 1)
    throw shape_error(message("basin::nn::", function, ": features have stride ", x.stride(3), "; it must be 1"));
  if (first < 0 || first + x.extent(2) > table.positions())
    throw shape_error(message("basin::nn::", function, ": positions ", first, " to ", first + x.extent(2),
                              " of a table of ", table.positions(), "; build the table for a longer context"));
}

}  // namespace detail

/// Rotates x in place; row i of the view has position first + i.
///
/// Shapes    x [batch, heads, length, dim]; dim has stride 1, other strides are free
/// Errors    shape_error; then nothing is written
template <class T>
void rope_forward(host const&, view<T, 4> x, rope_table<T> const& table, index_t first = 0) {
  detail::require_rope("rope_forward", x, table, first);
  detail::rotate_pairs(x, table, first, T(1));
}

/// The gradient, in place. A rotation is orthogonal, so its gradient is the inverse rotation.
template <class T>
void rope_backward(host const&, view<T, 4> dx, rope_table<T> const& table, index_t first = 0) {
  detail::require_rope("rope_backward", dx, table, first);
  detail::rotate_pairs(dx, table, first, T(-1));
}

}  // namespace basin::nn
