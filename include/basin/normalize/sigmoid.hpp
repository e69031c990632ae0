// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Each weight depends on its own score alone: w_j = 1 / (1 + exp(-(s_j + b))).
///
/// Models    online_normalizer with an empty row state
/// Source    Ramapuram et al. 2024, arXiv 2409.04431; b = -log n for rows of n keys: sigmoid::for_length(n)
/// Shapes    one row; scores [keys]
/// Precision relative error of a weight (of normal exponentials, concepts/normalizer.hpp) <= 4 eps (|s + b| + 2)
/// Edges     an empty row gives 0; the sum of weights is between 0 and the number of keys
/// Cost      1 exp and 1 division per score
/// Errors    value_error from validate(): a bias that is not finite
/// Example   examples/02_normalizers.cpp
struct sigmoid {
  double bias = 0;

  /// The bias -log n: the weights of n scores of 0 then sum to about 1.
  static sigmoid for_length(double n) { return {-std::log(n)}; }

  template <class T>
  struct row {};

  template <class T>
  BASIN_HD void raise(row<T>&, T) const {}
  template <class T>
  BASIN_HD T term(row<T> const&, T score) const {
    return T(1) / (T(1) + math::exp(T(0) - (score + T(static_cast<math::scalar_of<T>>(bias)))));
  }
  template <class T>
  BASIN_HD void add(row<T>&, T, T) const {}
  template <class T>
  BASIN_HD T rescale(row<T> const&, row<T> const&) const { return T(1); }
  template <class T>
  BASIN_HD T factor(row<T> const&) const { return T(1); }
  template <class T>
  BASIN_HD void merge(row<T>&, row<T> const&) const {}

  /// J = diag w (1 - w).
  template <class T>
  BASIN_HD low_rank_jacobian<T, 0> jacobian(row<T> const&, T, T weight) const { return {weight * (T(1) - weight)}; }

  void validate() const {
    if (!(bias >= -math::largest<float> && bias <= math::largest<float>))
      throw value_error(message("basin::sigmoid: bias is ", bias, "; it must be finite"));
  }
};

static_assert(online_normalizer<sigmoid> && starts_uncounted<sigmoid> && differentiable_normalizer<sigmoid>);

}  // namespace basin
