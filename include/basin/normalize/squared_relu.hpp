// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"

namespace basin {

/// Squares of positive scores over the row's length: w_j = (max(s_j, 0) / n)^2, n the number of visible keys whose
/// score is not -inf.
///
/// Models    online_normalizer
/// Source    Hua et al. 2022, arXiv 2202.10447 (FLASH); here the caller chooses the scores
/// Shapes    one row; scores [keys]
/// State     n, counted during the pass
/// Precision relative error of a weight <= 8 eps
/// Edges     an empty row gives 0; the sum of weights is unbounded
/// Cost      3 flop per score
/// Errors    none
/// Example   examples/02_normalizers.cpp
struct squared_relu {
  using gives_zeros = std::true_type;

  template <class T>
  struct row {
    T count = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>&, T) const {}
  template <class T>
  BASIN_HD T term(row<T> const&, T score) const {
    T const positive = math::max(T(0), score);
    return positive * positive;
  }
  template <class T>
  BASIN_HD void add(row<T>& r, T score, T) const {
    r.count = r.count + math::select(score == math::minus_inf<T>(), T(0), T(1));
  }
  template <class T>
  BASIN_HD T rescale(row<T> const&, row<T> const&) const { return T(1); }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const {
    T const per_key = T(1) / math::max(r.count, T(1));
    return per_key * per_key;
  }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const { into.count = into.count + from.count; }

  /// J = diag 2 max(s, 0) / n^2.
  template <class T>
  BASIN_HD low_rank_jacobian<T, 0> jacobian(row<T> const& r, T score, T) const {
    return {T(2) * math::max(T(0), score) * factor(r)};
  }
};

static_assert(online_normalizer<squared_relu> && starts_uncounted<squared_relu> &&
              differentiable_normalizer<squared_relu>);

}  // namespace basin
