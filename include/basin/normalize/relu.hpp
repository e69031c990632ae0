// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Positive scores over a power of the row's length: w_j = max(s_j, 0) / n^power, n the number of visible keys whose
/// score is not -inf.
///
/// Models    online_normalizer
/// Source    Wortsman et al. 2023, arXiv 2309.08586; power = 1 is best there
/// Shapes    one row; scores [keys]
/// State     n, counted during the pass
/// Precision relative error of a weight <= 8 eps
/// Edges     an empty row gives 0; the sum of weights is unbounded; the derivative at a score of 0 is 0
/// Cost      2 flop per score
/// Errors    value_error from validate(): a power that is not finite
/// Example   examples/02_normalizers.cpp
struct relu {
  using gives_zeros = std::true_type;

  double power = 1;

  template <class T>
  struct row {
    T count = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>&, T) const {}
  template <class T>
  BASIN_HD T term(row<T> const&, T score) const { return math::max(T(0), score); }
  template <class T>
  BASIN_HD void add(row<T>& r, T score, T) const {
    r.count = r.count + math::select(score == math::minus_inf<T>(), T(0), T(1));
  }
  template <class T>
  BASIN_HD T rescale(row<T> const&, row<T> const&) const { return T(1); }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const {
    T const n = math::max(r.count, T(1));
    return power == 1 ? T(1) / n : math::exp(T(static_cast<math::scalar_of<T>>(-power)) * math::log(n));
  }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const { into.count = into.count + from.count; }

  /// J = diag 1[s > 0] / n^power.
  template <class T>
  BASIN_HD low_rank_jacobian<T, 0> jacobian(row<T> const& r, T score, T) const {
    return {math::select(score > T(0), factor(r), T(0))};
  }

  void validate() const {
    if (!(math::abs(power) <= math::largest<float>))
      throw value_error(message("basin::relu: power is ", power, "; it must be finite"));
  }
};

static_assert(online_normalizer<relu> && starts_uncounted<relu> && differentiable_normalizer<relu>);

}  // namespace basin
