// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"
#include "basin/normalize/detail/set_search.hpp"

namespace basin {

/// Softmax over the k largest scores of a row; every other weight is 0.
///
/// Models    streamable_normalizer with terms
/// Source    threshold search as in Gupta et al. 2021 (top-k attention): regula falsi on the normal quantile of the share of scores
///           above (Hastings 1955, sheet 67), which is a straight line where scores are normal, with the Illinois rule (Dowell &
///           Jarratt 1971), a bisection every sixth time, and snapping to the scores it meets
/// Shapes    one row; scores [keys]
/// State     the k-th largest score lies in [low, top]; a sweep counts the scores >= mid and notes its neighbours
/// Precision the chosen set is exact; weights as softmax
/// Edges     ties with the k-th largest score are all kept, so that permuting keys permutes weights; k >= keys is softmax
/// Order     does not matter
/// Cost      8 sweeps of 7 operations per score where scores are like normal ones, 6 log2(keys) at most, then softmax
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
    T count = T(0), keys = T(0), sweeps = T(0);
    T over = T(0), under = T(0), turn = T(0);                    // how far low and top are off, as quantiles; which moved last
    T sum = T(0);
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = math::max(r.max, score); }

  template <class T>
  BASIN_HD void absorb(row<T>& r, T score) const { r.count = math::select(r.set.note(score), r.count + T(1), r.count); }

  template <class T>
  BASIN_HD auto next(row<T>& r) const {
    T const wanted = T(static_cast<math::scalar_of<T>>(k));
    auto const enough = r.count >= wanted || r.set.begins();
    auto const settled = enough && r.count <= wanted;            // exactly k, or the row has no more than k
    T const lean = leaning(r, enough, wanted);
    r.count = T(0);
    return r.set.narrow(r.max, enough, settled, lean);
  }

  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const {
    return math::select(score < r.set.low, T(0), math::exp_nonpositive(score - r.max));  // a NaN is not below
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

  template <class T>
  BASIN_HD T term_sum(row<T> const& r) const { return r.sum; }

  /// log sum exp of the chosen scores; -inf for an empty row.
  template <class T>
  BASIN_HD T log_sum_exp(row<T> const& r) const { return r.max + math::log(r.sum); }

  /// Softmax on the chosen scores; the choice itself is piecewise constant.
  template <class T>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const&, T, T weight) const { return {weight, weight, weight}; }

 private:
  /// Where the count would be k if its quantile fell on a straight line from low to top. An end that stays counts half.
  template <class T, class Mask>
  BASIN_HD static T leaning(row<T>& r, Mask enough, T wanted) {
    auto const first = r.sweeps == T(0);
    r.keys = math::select(first, r.count, r.keys);
    T const line = quantile(wanted, r.keys), surplus = line - quantile(r.count, r.keys);
    T const under = math::select(first, line - quantile(T(0), r.keys), r.under);
    r.over = math::select(enough, surplus, math::select(r.turn < T(0), T(0.5f) * r.over, r.over));
    r.under = math::select(enough, math::select(r.turn > T(0), T(0.5f) * under, under), surplus);
    r.turn = math::select(enough, T(1), T(-1));
    r.sweeps = math::select(r.sweeps == T(6), T(1), r.sweeps + T(1));
    return math::select(r.sweeps == T(6) || !(r.over > r.under), T(0.5f), r.over / (r.over - r.under));
  }
  /// The z that a share count / keys of normal numbers lies above; half a key stands for none.
  template <class T>
  BASIN_HD static T quantile(T count, T keys) {
    T const share = math::max(math::min(count, keys - T(0.5f)), T(0.5f)) / keys;
    auto const upper = share < T(0.5f);
    T const t = math::sqrt(T(-2) * math::log(math::select(upper, share, T(1) - share)));
    T const z = t - (T(2.30753f) + T(0.27061f) * t) / (T(1) + t * (T(0.99229f) + T(0.04481f) * t));
    return math::select(upper, z, T(0) - z);
  }

 public:
  void validate() const {
    if (k < 1) throw value_error(message("basin::top_k: k is ", k, "; at least one key must be kept"));
  }
};

static_assert(streamable_normalizer<top_k> && !online_normalizer<top_k> && differentiable_normalizer<top_k>);

}  // namespace basin
