// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <vector>

#include "basin/config.hpp"
#include "basin/nn/host.hpp"
#include "basin/nn/rope_scaling.hpp"
#include "basin/nn/rows.hpp"

// Rotary positions: the features of a head form pairs, and pair d at position p is rotated by the angle p theta_d, with
// theta_d = base^(-2d/dim) or one of the scalings of nn/rope_scaling.hpp. Source: Su et al. 2021, eq. 34.

namespace basin::nn {

/// Which features form pair d. halves: d and d + dim/2, as in checkpoints of Hugging Face transformers. neighbours: 2d
/// and 2d + 1, as in the paper, in GPT-J and in Meta's checkpoints of Llama. A permutation of the rows of the query and
/// key projections converts one into the other.
enum class rope_pairing { halves, neighbours };

/// Cosines and sines of every position up to a context length, computed once in double.
///
/// Shapes    frequencies [dim / 2]: the angle per position of every pair; cosine, sine [positions, dim / 2]
/// Errors    value_error: no position; an odd dim; no frequency, or one that is not finite; a base or an amplitude that
///           is not positive and finite
template <class T>
class rope_table {
 public:
  rope_table(index_t positions, index_t dim, double base) : rope_table(positions, unscaled_of(dim, base)) {}

  /// `amplitude` multiplies all cosines and sines.
  rope_table(index_t positions, std::span<double const> frequencies, rope_pairing pairing = rope_pairing::halves,
             double amplitude = 1)
      : count(positions), half(std::ssize(frequencies)), pairs(pairing) {
    require(positions, frequencies, amplitude);
    cosines.resize(positions * half);
    sines.resize(positions * half);
    for (index_t p = 0; p < positions; ++p) {
      for (index_t d = 0; d < half; ++d) {
        double const angle = static_cast<double>(p) * frequencies[d];
        cosines[p * half + d] = static_cast<T>(amplitude * std::cos(angle));
        sines[p * half + d] = static_cast<T>(amplitude * std::sin(angle));
      }
    }
  }

  index_t positions() const { return count; }
  index_t dim() const { return 2 * half; }
  rope_pairing pairing() const { return pairs; }
  T const* cosine(index_t position) const { return cosines.data() + position * half; }
  T const* sine(index_t position) const { return sines.data() + position * half; }

 private:
  static std::vector<double> unscaled_of(index_t dim, double base) {
    detail::require_rope_base("rope_table", dim, base);
    return detail::powers_of_base(dim, base);
  }
  static void require(index_t positions, std::span<double const> frequencies, double amplitude) {
    if (positions < 1)
      throw value_error(message("basin::nn::rope_table: ", positions, " positions; it needs at least 1"));
    if (frequencies.empty())
      throw value_error("basin::nn::rope_table: there are 0 frequencies; it needs one per pair, dim / 2");
    for (std::size_t d = 0; d < frequencies.size(); ++d)
      if (!std::isfinite(frequencies[d]))
        throw value_error(message("basin::nn::rope_table: frequency ", d, " is ", frequencies[d],
                                  "; it must be finite"));
    if (!(amplitude > 0) || !std::isfinite(amplitude))
      throw value_error(message("basin::nn::rope_table: amplitude is ", amplitude, "; it must be > 0 and finite"));
  }

  index_t count, half;
  rope_pairing pairs;
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

/// The features of pair d are d step and d step + distance.
struct pair_layout {
  index_t step, distance;
};
inline pair_layout layout_of(rope_pairing pairing, index_t dim) {
  return pairing == rope_pairing::halves ? pair_layout{1, dim / 2} : pair_layout{2, 1};
}

/// Step is a constant, so that the loop uses SIMD loads.
template <index_t Step, class T>
void rotate_row(T* x, index_t distance, T const* cosine, T const* sine, index_t half, T turn) {
  T* const partner = x + distance;
  BASIN_OMP(simd)
  for (index_t d = 0; d < half; ++d) turn_pair(x[Step * d], partner[Step * d], cosine[d], turn * sine[d]);
}

/// Rotates all pairs by their angles; `turn` is 1, or -1 to rotate back.
template <class T>
void rotate_pairs(view<T, 4> x, rope_table<T> const& table, index_t first, T turn) {
  pair_layout const pairs = layout_of(table.pairing(), x.extent(3));
  index_t const batch = x.extent(0), heads = x.extent(1), length = x.extent(2), half = x.extent(3) / 2;
  BASIN_OMP(parallel for collapse(2) schedule(static) if (batch * heads * length * half > worth_threads))
  for (index_t b = 0; b < batch; ++b) {
    for (index_t i = 0; i < length; ++i) {
      T const *cosine = table.cosine(first + i), *sine = table.sine(first + i);
      for (index_t h = 0; h < heads; ++h) {
        T* const row = x.data_handle() + b * x.stride(0) + h * x.stride(1) + i * x.stride(2);
        if (pairs.step == 1) rotate_row<1>(row, pairs.distance, cosine, sine, half, turn);
        else rotate_row<2>(row, pairs.distance, cosine, sine, half, turn);
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

/// The gradient, in place. A rotation is orthogonal, so its gradient is the inverse rotation; an amplitude multiplies
/// both.
///
/// Shapes    as rope_forward
/// Errors    shape_error; then nothing is written
template <class T>
void rope_backward(host const&, view<T, 4> dx, rope_table<T> const& table, index_t first = 0) {
  detail::require_rope("rope_backward", dx, table, first);
  detail::rotate_pairs(dx, table, first, T(-1));
}

}  // namespace basin::nn
