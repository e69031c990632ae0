// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Normalises a row of scores by the exponential: w_j = exp((s_j - m) / T) / l, m = max s, l = sum of the exponentials.
///
/// Models    online_normalizer
/// Source    Vaswani et al. 2017, eq. 1; streamed as Milakov & Gimelshein 2018, alg. 3
/// Shapes    one row; scores [keys], natural-log units, already scaled
/// State     max = m, sum = l; two scalars a row
/// Precision relative error of a weight (of normal exponentials, concepts/normalizer.hpp) <= (n + 8) eps against
///           double, n the numbers that one accumulator takes: all keys of a row that is fitted alone
///           (property/normalizer_rows.test.cpp), in the host engines at most 1024 and a few (cpu/detail/sum_tree.hpp)
/// Edges     an empty row gives 0, never NaN; a score of +inf or NaN makes its own row NaN and no other
/// Cost      1 exp and 4 flop per score
/// Errors    value_error from validate(): a temperature that is not a positive number
/// Example   examples/01_hello.cpp
struct softmax {
  using jacobian_of_weights = std::true_type;
  using carries_weights = std::true_type;

  double temperature = 1.0;

  template <class T>
  struct row {
    T max = math::lowest<T>();
    T sum = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::larger(r.max, score); }  // the sum propagates a NaN
  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const { return math::exp_nonpositive(log_term(r, score)); }
  template <class T>
  BASIN_HD void add(row<T>& r, T, T term) const { r.sum = r.sum + term; }
  template <class T>
  BASIN_HD T rescale(row<T> const& old, row<T> const& now) const {
    return math::exp((old.max - now.max) * per_temperature<T>());
  }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const { return math::select(r.sum == T(0), T(0), T(1) / r.sum); }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    row<T> const now{math::max(into.max, from.max), T(0)};
    into = {now.max, into.sum * rescale(into, now) + from.sum * rescale(from, now)};
  }

  template <class T>
  BASIN_HD T log_term(row<T> const& r, T score) const { return (score - r.max) * per_temperature<T>(); }
  template <class T>
  BASIN_HD exponent_line<T> exponent(row<T> const& r) const { return exponent_below(r.max, per_temperature<T>()); }

  template <class T>
  BASIN_HD T term_sum(row<T> const& r) const { return r.sum; }

  /// log sum_j exp(s_j / T); -inf for an empty row.
  template <class T>
  BASIN_HD T log_sum_exp(row<T> const& r) const { return r.max * per_temperature<T>() + math::log(r.sum); }

  /// J = (diag w - w w^T) / T.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const&, T, T weight) const {
    T const w = weight * per_temperature<T>();
    return {w, w, weight};
  }

  void validate() const {
    if (!(temperature > 0) || temperature > math::largest<float> || 1 / temperature > math::largest<float>)
      throw value_error(message("basin::softmax: temperature is ", temperature,
                                "; it must be a positive, finite number, and so must its inverse in single precision"));
  }

  friend constexpr bool operator==(softmax const&, softmax const&) = default;

  template <class T>
  BASIN_HD T per_temperature() const {
    using scalar = math::scalar_of<T>;
    return T(scalar(1) / static_cast<scalar>(temperature));
  }
};

static_assert(exponential_normalizer<softmax> && differentiable_normalizer<softmax>);

}  // namespace basin
