// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"

namespace basin {

/// The Euclidean projection of a row onto the simplex: w_j = max(s_j - tau, 0), tau such that the weights sum to 1.
///
/// Models    streamable_normalizer
/// Source    Martins & Astudillo 2016; tau by Newton's method from below (Michelot 1986), which is monotone and exact
/// Shapes    one row; scores [keys]
/// State     tau (measured from the maximum), the size of the support, sum and count of the sweep
/// Precision |sum of weights - 1| <= (support + 4) eps
/// Edges     an empty row gives 0; one key gets weight 1; a NaN ends the search of its own row
/// Order     does not matter, up to rounding of the sum
/// Cost      about 5 sweeps of 4 operations per score
/// Errors    none
/// Example   examples/02_normalizers.cpp
struct sparsemax {
  using jacobian_of_weights = std::true_type;
  using gives_zeros = std::true_type;

  template <class T>
  struct row {
    T max = math::lowest<T>();
    T tau = T(-1), size = T(0);                                  // tau >= max - 1 because the largest weight is <= 1
    T sum = T(0), count = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }

  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const {
    T const s = score - r.max;
    auto const supported = s > r.tau;
    r.sum = r.sum + math::select(supported, s, T(0));
    r.count = r.count + math::select(supported, T(1), T(0));
  }

  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    T const tau = (r.sum - T(1)) / r.count;                      // the root of sum (s_j - tau) = 1 on this support
    auto const grows = tau > r.tau;
    r.tau = math::select(grows, tau, r.tau);
    r.size = r.count;
    r.sum = r.count = T(0);
    return grows;
  }

  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    into.max = math::max(into.max, from.max);
    into.sum = into.sum + from.sum;
    into.count = into.count + from.count;
  }

  template <class T>
  BASIN_HD T weight(row<T> const& r, T score) const { return math::max(T(0), score - r.max - r.tau); }

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
