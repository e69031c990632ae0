// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Softmax with n more keys of score 0 and no value: w_j = exp(s_j) / (n + sum_k exp(s_k)); softmax1 is n = 1.
///
/// Models    online_normalizer
/// Source    Miller 2023, "Attention is off by one"; n real as in flash-attention-softmax-n
/// Shapes    one row; scores [keys]
/// State     max = max(0, max s), sum of exp(s_j - max); max >= 0 keeps n exp(-max) from overflowing
/// Precision as softmax
/// Edges     an empty row gives 0; weights sum to less than 1; adding a constant to the scores changes them
/// Cost      1 exp and 3 flop per score, 1 exp a row
/// Errors    value_error from validate(): n is not a positive number (0 is softmax)
/// Example   examples/02_normalizers.cpp
struct softmax_n {
  using jacobian_of_weights = std::true_type;
  using carries_weights = std::true_type;

  double n = 1;

  template <class T>
  struct row {
    T max = T(0), sum = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }
  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const { return math::exp_nonpositive(score - r.max); }
  template <class T>
  BASIN_HD T log_term(row<T> const& r, T score) const { return score - r.max; }
  template <class T>
  BASIN_HD exponent_line<T> exponent(row<T> const& r) const { return exponent_below(r.max, T(1)); }
  template <class T>
  BASIN_HD void add(row<T>& r, T, T term) const { r.sum = r.sum + term; }
  template <class T>
  BASIN_HD T rescale(row<T> const& old, row<T> const& now) const { return math::exp(old.max - now.max); }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const {
    return T(1) / (r.sum + T(static_cast<math::scalar_of<T>>(n)) * math::exp(T(0) - r.max));
  }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    row<T> const now{math::max(into.max, from.max), T(0)};
    into = {now.max, into.sum * rescale(into, now) + from.sum * rescale(from, now)};
  }

  /// log(n + sum_j exp(s_j)); log n for an empty row.
  template <class T>
  BASIN_HD T log_sum_exp(row<T> const& r) const {
    return r.max + math::log(r.sum + T(static_cast<math::scalar_of<T>>(n)) * math::exp(T(0) - r.max));
  }

  /// J = diag w - w w^T, with sum w < 1.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const&, T, T weight) const { return {weight, weight, weight}; }

  void validate() const {
    if (!(n > 0 && n <= math::largest<float>))
      throw value_error(message("basin::softmax_n: n is ", n, "; it must be positive and finite; for 0, use softmax"));
  }
};

static_assert(exponential_normalizer<softmax_n> && starts_uncounted<softmax_n> && differentiable_normalizer<softmax_n>);

}  // namespace basin
