// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"
#include "basin/normalize/detail/set_search.hpp"

namespace basin {

/// Softmax over the k largest scores of a row; every other weight is 0.
///
/// Models    streamable_normalizer with terms
/// Source    threshold search as in Gupta et al. 2021 (top-k attention); bisection that snaps to the scores it meets
/// Shapes    one row; scores [keys]
/// State     the k-th largest score lies in [low, top]; a sweep counts the scores >= mid and notes its neighbours
/// Precision the chosen set is exact; weights as softmax
/// Edges     ties with the k-th largest score are all kept, so that permuting keys permutes weights; k >= keys is softmax
/// Order     does not matter
/// Cost      about log2(keys) sweeps of 5 operations per score, then softmax
/// Errors    value_error from validate(): k < 1
/// Example   examples/02_normalizers.cpp
struct top_k {
  using jacobian_of_weights = std::true_type;

  int k = 64;

  template <class T>
  struct row {
    T max = math::lowest<T>();
    detail::set_search<T> set{};
    T count = T(0);
    T sum = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }

  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const { r.count = r.count + math::select(r.set.note(score), T(1), T(0)); }

  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    T const wanted = T(static_cast<math::scalar_of<T>>(k));
    auto const enough = r.count >= wanted || r.set.begins();
    auto const settled = enough && r.count <= wanted;            // exactly k, or the row has no more than k
    r.count = T(0);
    return r.set.narrow(r.max, enough, settled);
  }

  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const {
    return math::select(score < r.set.low, T(0), math::exp(score - r.max));  // a NaN is not below
  }
  template <class T>
  BASIN_HD T log_term(row<T> const& r, T score) const { return math::select(score < r.set.low, math::minus_inf<T>(), score - r.max); }
  template <class T>
  BASIN_HD void add(row<T>& r, T, T term) const { r.sum = r.sum + term; }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const { return math::select(r.sum == T(0), T(0), T(1) / r.sum); }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    into.max = math::max(into.max, from.max);
    into.count = into.count + from.count;
    into.set.merge(from.set);
    into.sum = into.sum + from.sum;
  }

  /// log sum exp of the chosen scores; -inf for an empty row.
  template <class T>
  BASIN_HD T log_sum_exp(row<T> const& r) const { return r.max + math::log(r.sum); }

  /// Softmax on the chosen scores; the choice itself is piecewise constant.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const&, T, T weight) const { return {weight, weight, weight}; }

  void validate() const {
    if (k < 1) throw value_error(message("basin::top_k: k is ", k, "; at least one key must be kept"));
  }
};

static_assert(streamable_normalizer<top_k> && !online_normalizer<top_k> && differentiable_normalizer<top_k>);

}  // namespace basin
