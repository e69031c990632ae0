// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"
#include "basin/normalize/detail/set_search.hpp"

namespace basin {

/// Softmax over the k largest scores of a row; every other weight is 0.
///
/// Models    streamable_normalizer with terms
/// Source    threshold search as in Gupta et al. 2021 (top-k attention), by counts at four cuts per pass
///           (detail/set_search.hpp)
/// Shapes    one row; scores [keys]
/// State     moments of the scores, then cuts and their counts; the eight scores nearest to the threshold
/// Precision the selected set is exact; weights as softmax
/// Edges     ties with the k-th largest score are all kept, so that permuting keys permutes weights; k >= keys is
///           softmax
/// Order     does not matter
/// Cost      3 passes of 12 operations per score for normally distributed scores, then softmax
/// Errors    value_error from validate(): k < 1
/// Example   examples/02_normalizers.cpp
struct top_k {
  using gives_zeros = std::true_type;

  using jacobian_of_weights = std::true_type;
  using carries_weights = std::true_type;

  int k = 64;

  template <class T>
  struct row {
    T max = math::lowest<T>();
    detail::set_search<T> set{};
    T sum = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const {
    r.max = math::max(r.max, score);
    r.set.measure(score);
  }

  template <class T>
  BASIN_HD void aim(row<T>& r) const {
    T const keys = r.set.measured_keys(), chosen = wanted<T>();
    T const spread = math::larger(T(7), T(0.8f) * math::sqrt(math::larger(T(0), chosen * (T(1) - chosen / keys))));
    r.set.begin(r.max, keys > chosen, chosen <= T(8), [&](int c, T) {
      T const count = math::fma(T(static_cast<float>(c) - 1.5f), spread, chosen) - T(4);
      return r.set.quantile(count / keys, T(0.5f) / keys);
    });
  }
  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const {
    r.set.note(score, T(1));
  }
  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    return r.set.next(r.max, target<T>{wanted<T>(), r.set.keys});
  }

  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const {
    return math::select(score < r.set.low, T(0), math::exp_nonpositive(score - r.max));  // a NaN stays a NaN
  }
  template <class T>
  BASIN_HD T log_term(row<T> const& r, T score) const {
    return math::select(score < r.set.low, math::minus_inf<T>(), score - r.max);
  }
  template <class T>
  BASIN_HD void add(row<T>& r, T, T term) const { r.sum = r.sum + term; }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const { return math::select(r.sum == T(0), T(0), T(1) / r.sum); }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    into.max = math::max(into.max, from.max);
    into.set.merge(from.set);
    into.sum = into.sum + from.sum;
  }

  template <class T>
  BASIN_HD T term_sum(row<T> const& r) const { return r.sum; }

  /// log sum exp of the selected scores; -inf for an empty row.
  template <class T>
  BASIN_HD T log_sum_exp(row<T> const& r) const { return r.max + math::log(r.sum); }

  /// That of softmax over the selected scores; the selection is piecewise constant.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const&, T, T weight) const { return {weight, weight, weight}; }

  void validate() const {
    if (k < 1) throw value_error(message("basin::top_k: k is ", k, "; at least one key must be kept"));
  }

 private:
  /// The k-th largest score, by counts.
  template <class T>
  struct target {
    T wanted, total, few = T(64), shift = T(4);

    BASIN_HD static T weight_of(T) { return T(1); }
    BASIN_HD static T spread_of(T width) { return math::larger(T(7), T(0.5f) * math::sqrt(width)); }
  };

  template <class T>
  BASIN_HD T wanted() const { return T(static_cast<math::scalar_of<T>>(k)); }
};

static_assert(streamable_normalizer<top_k> && !online_normalizer<top_k> && differentiable_normalizer<top_k>);

}  // namespace basin
