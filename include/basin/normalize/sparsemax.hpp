// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/normalize/detail/threshold_search.hpp"

namespace basin {

/// The Euclidean projection of a row onto the simplex: w_j = max(s_j - tau, 0), with tau such that the weights sum to
/// 1.
///
/// Models    streamable_normalizer
/// Source    Martins & Astudillo 2016, arXiv 1602.02068. Newton's method finds tau from below (Michelot 1986); here,
///           steps of third order find it from both sides (detail/threshold_search.hpp). The result is exact once no
///           score lies between a cut and the mean of the scores above it less 1 / support
/// Shapes    one row; scores [keys]
/// State     tau (relative to the maximum; its rounding error beside it) and its bounds; the sums and the two nearest
///           scores of a pass; the size of the support
/// Precision |sum of weights - 1| <= (n + 4) eps, with n the weights in one accumulator, as for softmax
/// Edges     an empty row gives 0; one key gets weight 1; a NaN ends the search of its own row
/// Order     does not matter, up to rounding of the sum
/// Cost      about 2 passes of 10 operations per score
/// Errors    none
/// Example   examples/02_normalizers.cpp
struct sparsemax {
  using jacobian_of_weights = std::true_type;
  using gives_zeros = std::true_type;

  template <class T>
  struct row {
    T max = math::lowest<T>();
    detail::threshold_search<T> tau{};
    detail::excess<T> sums{};
    T size = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }

  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const {
    T const s = score - r.max;
    r.tau.note(s);
    r.sums.note(s, r.tau.cut);
  }

  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    r.size = math::select(r.tau.is_open(), r.sums.count.all, r.size);
    auto const again = r.tau.next(r.sums, [](detail::excess<T> const& y) {
      T const root = (y.first - T(1)) / y.count.all;  // sum (y_j - root) = 1, to the precision of a sum of about 1
      T const blur = math::epsilon<T>() * y.first * y.count.at_once() / y.count.all;
      return detail::sight<T>{y.first, y.count.all, y.degree(),
                              root,    blur,        math::select(y.first <= T(2), root, T(0) - math::minus_inf<T>())};
    });
    r.sums = {};
    return again;
  }

  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    into.max = math::max(into.max, from.max);
    into.tau.merge(from.tau);
    into.sums.merge(from.sums);
  }

  template <class T>
  BASIN_HD T weight(row<T> const& r, T score) const {
    return math::max(T(0), r.tau.excess_of(score - r.max));
  }

  /// J = I_S - 1 1^T / |S| on the support S.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const& r, T, T weight) const {
    auto const supported = weight > T(0);
    T const one = math::select(supported, T(1), T(0));
    return {one, one, math::select(supported, T(1) / r.size, T(0))};
  }
};

static_assert(streamable_normalizer<sparsemax> && differentiable_normalizer<sparsemax>);

}  // namespace basin
