// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Inner products of the L embeddings of a text, computed once and shared by every head, row and N.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "basin/config.hpp"
#include "basin/core/error.hpp"
#include "basin/core/view.hpp"

namespace basin::theory {

namespace detail {

template <class View>
void require_square(char const* function, View const& gram) {
  if (gram.data_handle() == nullptr || gram.extent(0) < 1 || gram.extent(0) != gram.extent(1))
    throw shape_error(message(function, ": the Gram matrix is [", gram.extent(0), ", ", gram.extent(1),
                              "]; it must be square, with a row for every key"));
}

}  // namespace detail

/// G_ij = <x_i, x_j>, exactly symmetric.
///
/// Shapes    embeddings [keys, dim], gram [keys, keys]; any strides
/// Precision sums in double, stored in the type of `gram`
/// Cost      keys^2 dim / 2 multiplications, on all threads
/// Errors    shape_error: extents of `gram` differ, no embedding
template <class X, class G>
void gram_of(view<X const, 2> embeddings, view<G, 2> gram) {
  detail::require_square("basin::theory::gram_of", gram);
  index_t const keys = embeddings.extent(0), dim = embeddings.extent(1);
  if (gram.extent(0) != keys || dim < 1)
    throw shape_error(message("basin::theory::gram_of: embeddings are [", keys, ", ", dim, "] and the Gram matrix is [",
                              gram.extent(0), ", ", gram.extent(1), "]; it needs a row for every embedding"));
  BASIN_OMP(parallel for schedule(dynamic, 8) if (keys * keys * dim > (index_t{1} << 18)))  // a tenth of a millisecond
  for (index_t i = 0; i < keys; ++i)
    for (index_t j = 0; j <= i; ++j) {
      double sum = 0;
      if (embeddings.stride(1) == 1) {
        X const* const a = &embeddings(i, 0);
        X const* const b = &embeddings(j, 0);
        BASIN_OMP(simd reduction(+ : sum))
        for (index_t d = 0; d < dim; ++d) sum += static_cast<double>(a[d]) * static_cast<double>(b[d]);
      } else {
        for (index_t d = 0; d < dim; ++d)
          sum += static_cast<double>(embeddings(i, d)) * static_cast<double>(embeddings(j, d));
      }
      gram(i, j) = gram(j, i) = static_cast<G>(sum);
    }
}

/// Scales every embedding to the given length, in place.
///
/// Source    arXiv 2508.17821, assumption 1: "in practice we normalize embeddings so that they lie on this sphere"
/// Errors    value_error: an embedding of length 0 or not finite, a radius that is not positive; then nothing changes
template <class X>
void onto_sphere(view<X, 2> embeddings, double radius = 1) {
  if (!(radius > 0) || !std::isfinite(radius))
    throw value_error(message("basin::theory::onto_sphere: radius is ", radius, "; it must be positive and finite"));
  auto const norm = [&](index_t i) {
    double sum = 0;
    for (index_t d = 0; d < embeddings.extent(1); ++d) {
      double const x = static_cast<double>(embeddings(i, d));
      sum += x * x;
    }
    return std::sqrt(sum);
  };
  for (index_t i = 0; i < embeddings.extent(0); ++i)
    if (double const length = norm(i); !(length > 0) || !std::isfinite(length))
      throw value_error(message("basin::theory::onto_sphere: embedding ", i, " has length ", length,
                                "; it must be finite and above 0 to have a direction"));
  for (index_t i = 0; i < embeddings.extent(0); ++i) {
    double const by = radius / norm(i);
    for (index_t d = 0; d < embeddings.extent(1); ++d)
      embeddings(i, d) = static_cast<X>(static_cast<double>(embeddings(i, d)) * by);
  }
}

/// Properties of a set of embeddings, from its Gram matrix.
struct geometry {
  double largest_norm = 0;       // M; the radius if all lie on a sphere
  double least_distance = 0;     // delta = min_{i != j} |x_i - x_j|; infinite for a single embedding
  double mean_cosine = 0;        // over pairs i != j: 0 for uniform directions, near 1 for a narrow cone
};

/// Source    arXiv 2508.17821, assumption 2 (delta is the empirical minimum); anisotropy as Ethayarajh 2019
/// Edges     a token that occurs twice makes delta 0; the cosine leaves out embeddings of length 0
/// Cost      keys^2 / 2
/// Errors    shape_error: a matrix that is not square
template <class G>
geometry geometry_of(view<G const, 2> gram) {
  detail::require_square("basin::theory::geometry_of", gram);
  geometry of{0, std::numeric_limits<double>::infinity(), 0};
  double cosines = 0, pairs = 0;
  for (index_t i = 0; i < gram.extent(0); ++i) {
    double const own = std::max(0.0, static_cast<double>(gram(i, i)));
    of.largest_norm = std::max(of.largest_norm, std::sqrt(own));
    for (index_t j = 0; j < i; ++j) {
      double const other = std::max(0.0, static_cast<double>(gram(j, j))), both = static_cast<double>(gram(i, j));
      of.least_distance = std::min(of.least_distance, std::sqrt(std::max(0.0, own + other - 2 * both)));
      if (own > 0 && other > 0) cosines += both / std::sqrt(own * other), pairs += 1;
    }
  }
  of.mean_cosine = pairs > 0 ? cosines / pairs : 0.0;
  return of;
}

/// The part of a Gram matrix that belongs to the visible keys of one row, in the order of the row's weights. Without a
/// list of keys, they are the first keys of the text, as under a causal mask.
template <class G>
struct seen_gram {
  view<G const, 2> all{};
  std::span<index_t const> keys{};

  index_t key(index_t i) const { return keys.empty() ? i : keys[static_cast<std::size_t>(i)]; }
  double operator()(index_t i, index_t j) const { return static_cast<double>(all(key(i), key(j))); }

  /// Whether the visible keys of a row of the matrix are contiguous in memory.
  bool direct() const { return keys.empty() && all.stride(1) == 1; }
  G const* direct_row(index_t i) const { return &all(i, 0); }

  /// Row i of the first `copy.size()` visible keys, copied to `copy`.
  double const* copied_row(index_t i, std::span<double> copy) const {
    G const* const from = &all(key(i), 0);
    index_t const step = all.stride(1);
    for (std::size_t j = 0; j < copy.size(); ++j)
      copy[j] = static_cast<double>(from[key(static_cast<index_t>(j)) * step]);
    return copy.data();
  }
};

template <class G>
seen_gram(view<G const, 2>) -> seen_gram<G>;
template <class G>
seen_gram(view<G const, 2>, std::span<index_t const>) -> seen_gram<G>;

namespace detail {

/// to += the sum of four rows, each multiplied by its number.
template <class Row>
void add_rows(std::array<Row const*, 4> const& rows, std::array<double, 4> const& by, std::span<double> to) {
  Row const *const a = rows[0], *const b = rows[1], *const c = rows[2], *const d = rows[3];
  double const p = by[0], q = by[1], r = by[2], s = by[3];
  double* const sum = to.data();
  BASIN_OMP(simd)
  for (std::size_t i = 0; i < to.size(); ++i)
    sum[i] += p * static_cast<double>(a[i]) + q * static_cast<double>(b[i]) +
              (r * static_cast<double>(c[i]) + s * static_cast<double>(d[i]));
}

/// Sums rows four at a time; row_at(j, n) returns row j, which it may copy to buffer n of four.
template <class Row, class RowAt>
void sum_rows(std::span<double const> weights, double least, std::span<double> out, RowAt const& row_at) {
  std::array<Row const*, 4> rows{};
  std::array<double, 4> by{};
  std::size_t held = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    if (std::abs(weights[j]) <= least) continue;
    rows[held] = row_at(static_cast<index_t>(j), held);
    by[held++] = weights[j];
    if (held == 4) add_rows(rows, by, out), held = 0;
  }
  if (held == 0) return;
  for (; held < 4; ++held) rows[held] = rows[0], by[held] = 0;
  add_rows(rows, by, out);
}

}  // namespace detail

/// g_i = sum_j w_j G_ij = <x_i, sum_j w_j x_j>: the only product that costs keys^2. It does not depend on N.
///
/// Shapes    weights, out [visible keys]
/// Precision keys eps; omits weights whose sum is below a rounding error of the largest
/// Cost      2 flop per visible key and weight that is not omitted
template <class G>
void times_gram(seen_gram<G> const& gram, std::span<double const> weights, std::span<double> out) {
  std::size_t const n = weights.size();
  std::fill(out.begin(), out.end(), 0.0);
  double largest = 0;
  for (double const w : weights) largest = std::max(largest, std::abs(w));
  double const least = largest * 0x1p-53 / static_cast<double>(n);
  if (gram.direct())
    return detail::sum_rows<G>(weights, least, out, [&](index_t j, std::size_t) { return gram.direct_row(j); });
  std::vector<double> copies(4 * n);
  detail::sum_rows<double>(weights, least, out, [&](index_t j, std::size_t place) {
    return gram.copied_row(j, std::span<double>(copies).subspan(place * n, n));
  });
}

}  // namespace basin::theory
