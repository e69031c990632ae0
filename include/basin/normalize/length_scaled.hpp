// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A decorator: the scores of any normalizer times a factor that depends on how many keys the query sees.

#include <vector>

#include "basin/concepts/normalizer.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Scalable softmax: scores times s log n.
///
/// Source    Nakanishi 2025, arXiv 2501.19399; s = 0.43 as in its figure 1
struct ssmax {
  double s = 0.43;

  template <class T>
  BASIN_HD T scale(row_context<T> const& at) const { return T(static_cast<math::scalar_of<T>>(s)) * math::log(math::max(at.visible, T(1))); }
  void validate() const {
    if (!(s > 0 && s <= math::largest<float>)) throw value_error(message("basin::ssmax: s is ", s, "; it must be positive and finite"));
  }
};

/// Log-n scaling: scores times log n / log n0 beyond the length n0 that was trained, unchanged up to it.
///
/// Source    Qwen-7B (modeling_qwen.py), with the number of visible keys as n
struct log_n {
  double trained = 512;

  template <class T>
  BASIN_HD T scale(row_context<T> const& at) const {
    using scalar = math::scalar_of<T>;
    T const ratio = math::log(math::max(at.visible, T(1))) * T(scalar(1) / std::log(static_cast<scalar>(trained)));
    return math::max(T(1), ratio);
  }
  void validate() const {
    if (!(trained > 1 && trained <= math::largest<float>))
      throw value_error(message("basin::log_n: trained length is ", trained, "; it must be more than 1, and finite"));
  }
};

/// Normalizes the scores c s_j, c = law.scale(context), with another normalizer.
///
/// Models    whatever Normalizer models
/// Source    reference: ssmax and log_n above; any type with `scale(row_context)` will do
/// State     the row of Normalizer and c
/// Edges     a query that sees one key has c = 0 under ssmax, and weight 1
/// Cost      1 multiplication and 1 selection per score, 1 logarithm a row
/// Errors    value_error from validate() of either part
/// Example   examples/02_normalizers.cpp
template <normalizer Normalizer, class Law = ssmax>
struct length_scaled {
  BASIN_EMPTY Normalizer normalize{};
  BASIN_EMPTY Law law{};

  template <class T>
  struct row {
    row_of<Normalizer, T> inner;
    T scale;
  };

  template <class T>
  BASIN_HD row<T> start(row_context<T> at) const { return {start_row(normalize, at), law.scale(at)}; }

  template <class T>
    requires fits_rows<Normalizer>
  row<T> fit(std::span<T const> scores, row_context<T> at) const {
    T const scale = law.scale(at);
    std::vector<T> scaled(scores.begin(), scores.end());
    for (T& s : scaled) s = times(scale, s);
    return {normalize.fit(std::span<T const>(scaled), at), scale};
  }

  template <class T>
    requires raises_rows<Normalizer>
  BASIN_HD void raise(row<T>& r, T score) const { normalize.raise(r.inner, times(r.scale, score)); }
  template <class T>
    requires sweeps_rows<Normalizer>
  BASIN_HD void absorb(row<T>& r, T score) const { normalize.absorb(r.inner, times(r.scale, score)); }
  template <class T>
    requires sweeps_rows<Normalizer>
  BASIN_HD auto next(row<T>& r) const { return normalize.next(r.inner); }
  template <class T>
    requires has_terms<Normalizer>
  BASIN_HD T term(row<T> const& r, T score) const { return normalize.term(r.inner, times(r.scale, score)); }
  template <class T>
    requires has_terms<Normalizer>
  BASIN_HD void add(row<T>& r, T score, T term) const { normalize.add(r.inner, times(r.scale, score), term); }
  template <class T>
    requires has_terms<Normalizer>
  BASIN_HD T factor(row<T> const& r) const { return normalize.factor(r.inner); }
  template <class T>
    requires rescales_rows<Normalizer>
  BASIN_HD T rescale(row<T> const& old, row<T> const& now) const { return normalize.rescale(old.inner, now.inner); }
  template <class T>
    requires merges_rows<Normalizer>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const { normalize.merge(into.inner, from.inner); }

  template <class T>
    requires weighs_scores<Normalizer>
  BASIN_HD T weight(row<T> const& r, T score) const { return normalize.weight(r.inner, times(r.scale, score)); }
  template <class T>
    requires requires(Normalizer n, row_of<Normalizer, T> i, T s) { n.log_term(i, s); }
  BASIN_HD T log_term(row<T> const& r, T score) const { return normalize.log_term(r.inner, times(r.scale, score)); }

  template <class T>
    requires knows_log_sum<Normalizer>
  BASIN_HD T log_sum_exp(row<T> const& r) const { return normalize.log_sum_exp(r.inner); }

  /// The chain rule through c s_j: the Jacobian of Normalizer times c.
  template <class T>
    requires has_jacobian<Normalizer>
  BASIN_HD jacobian_terms<T> jacobian(row<T> const& r, T score, T weight) const {
    auto const j = normalize.jacobian(r.inner, times(r.scale, score), weight);
    return {r.scale * j.diag, r.scale * j.outer, j.carry};
  }

  void validate() const {
    basin::validate(normalize);
    basin::validate(law);
  }

  /// c s, where -inf stays what it is even for c = 0.
  template <class T>
  BASIN_HD static T times(T scale, T score) { return math::select(score == math::minus_inf<T>(), score, scale * score); }
};

}  // namespace basin
