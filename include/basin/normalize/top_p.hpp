// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"
#include "basin/normalize/detail/set_search.hpp"

namespace basin {

/// Softmax over the smallest set of largest scores whose softmax weights sum to p or more; every other weight is 0.
///
/// Models    streamable_normalizer with terms
/// Source    Lin et al. 2025, arXiv 2502.02770 (Twilight); by the mass above four cuts per pass (detail/set_search.hpp)
/// Shapes    one row; scores [keys]
/// State     moments of the scores, then cuts and the mass above each; the eight scores nearest to the threshold
/// Precision sums are taken in the order of the keys, so the set is exact if no cumulative weight is within keys eps of
///           p; weights as softmax
/// Edges     ties with the least score of the set are all kept, so that permuting keys permutes weights; p = 1 is
///           softmax
/// Order     does not matter, up to rounding of the sums
/// Cost      4 passes of 1 exp and 12 operations per score for normally distributed scores, then softmax
/// Errors    value_error from validate(): p is not in (0, 1]
/// Example   examples/02_normalizers.cpp
struct top_p {
  using gives_zeros = std::true_type;

  using jacobian_of_weights = std::true_type;
  using carries_weights = std::true_type;

  double p = 0.85;

  template <class T>
  struct row {
    T max = math::lowest<T>();
    detail::set_search<T> set{};
    T mass = T(0);                                               // of the whole row, after the first pass
    T sum = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const {
    r.max = math::max(r.max, score);
    r.set.measure(score);
  }

  /// If scores are normally distributed, the mass of their terms is too, with a mean one variance higher. The last cut
  /// of the first pass lies below all scores.
  template <class T>
  BASIN_HD void aim(row<T>& r) const {
    T const share = T(static_cast<math::scalar_of<T>>(p)), keys = r.set.measured_keys();
    r.set.begin(r.max, keys > T(0) && share < T(1), keys < T(0), [&](int c, T deviation) {
      return deviation + r.set.quantile(math::fma(T(static_cast<float>(c) - 1.0f), T(0.03f), share), T(0.5f) / keys);
    });
    r.set.lower_last_cut();
  }
  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const {
    r.set.note(score, math::exp_nonpositive(score - r.max));
  }
  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    r.mass = math::select(r.mass == T(0) && !r.set.is_measuring(), r.set.gathered[r.set.cuts - 1], r.mass);
    return r.set.next(r.max, target<T>{T(static_cast<math::scalar_of<T>>(p)) * r.mass, r.mass, r.max});
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

  /// log sum exp of the set; -inf for an empty row.
  template <class T>
  BASIN_HD T log_sum_exp(row<T> const& r) const { return r.max + math::log(r.sum); }

  /// That of softmax over the set; the set is piecewise constant.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const&, T, T weight) const { return {weight, weight, weight}; }

  void validate() const {
    if (!(p > 0 && p <= 1))
      throw value_error(message("basin::top_p: p is ", p, "; it must be more than 0 and at most 1"));
  }

 private:
  /// The least score of the set, by the mass of terms. Every number of scores counts as few.
  template <class T>
  struct target {
    T wanted, total, max, few = math::highest<T>(), shift = T(0);

    BASIN_HD T weight_of(T score) const { return math::exp_nonpositive(score - max); }
    BASIN_HD static T spread_of(T width) { return T(0.04f) * width; }
  };
};

static_assert(streamable_normalizer<top_p> && !online_normalizer<top_p> && differentiable_normalizer<top_p>);

}  // namespace basin
