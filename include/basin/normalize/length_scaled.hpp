// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A decorator: the scores of any normalizer times a factor that depends on the number of visible keys or the position.

#include <type_traits>
#include <vector>

#include "basin/concepts/jacobian.hpp"
#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/parameters.hpp"
#include "basin/concepts/row_stages.hpp"
#include "basin/core/error.hpp"

namespace basin {

/// Scalable softmax: scores times s log n.
///
/// Source    Nakanishi 2025, arXiv 2501.19399; s = 0.43 as in its figure 1
struct ssmax {
  double s = 0.43;

  template <class T>
  BASIN_HD T scale(row_context<T> const& context) const {
    return T(static_cast<math::scalar_of<T>>(s)) * math::log(math::max(context.visible, T(1)));
  }
  void validate() const {
    if (!(s > 0 && s <= math::largest<float>))
      throw value_error(message("basin::ssmax: s is ", s, "; it must be positive and finite"));
  }
};

/// Log-n scaling: scores times log n / log n0 beyond the trained length n0, unchanged up to it.
///
/// Source    Qwen-7B (modeling_qwen.py), with the number of visible keys as n
struct log_n {
  double trained = 512;

  template <class T>
  BASIN_HD T scale(row_context<T> const& context) const {
    using scalar = math::scalar_of<T>;
    T const ratio = math::log(math::max(context.visible, T(1))) * T(scalar(1) / std::log(static_cast<scalar>(trained)));
    return math::max(T(1), ratio);
  }
  void validate() const {
    if (!(trained > 1 && trained <= math::largest<float>))
      throw value_error(message("basin::log_n: trained length is ", trained, "; it must be more than 1, and finite"));
  }
};

/// Normalizes the scores c s_j, c = law.scale(context), with another normalizer.
///
/// Models    the concepts that Normalizer models
/// Source    ssmax and log_n above, and law/; a law is any type with `scale(row_context)`. A law with `parameters` has
///           scale_slopes(row_context), d c / d parameter, and sees_parameter_gradient(). A law that does not read
///           `visible` declares `using starts_uncounted = std::true_type`. Parameters of Normalizer come first, then
///           those of the law
/// State     the row of Normalizer, c, and the slopes of c if the law has parameters
/// Edges     with one visible key, ssmax has c = 0 and the key has weight 1; if c = 0, the gradients of the law are 0
/// Cost      1 multiplication and 1 selection per score, 1 logarithm a row
/// Errors    value_error from validate() of either part
/// Example   examples/02_normalizers.cpp
template <normalizer Normalizer, class Law = ssmax>
struct length_scaled {
  using jacobian_of_weights = std::bool_constant<has_jacobian_of_weights<Normalizer>>;
  using gives_zeros = std::bool_constant<basin::gives_zeros<Normalizer>>;
  using carries_weights = std::bool_constant<basin::carries_weights<Normalizer>>;

  BASIN_EMPTY Normalizer normalize{};
  BASIN_EMPTY Law law{};

  static constexpr int parameters = parameters_of<Normalizer> + parameters_of<Law>;
  using starts_uncounted = std::bool_constant<basin::starts_uncounted<Normalizer> &&
                                              requires { requires Law::starts_uncounted::value; }>;
  struct no_slopes {};

  template <class T>
  struct row {
    row_of<Normalizer, T> inner;
    T scale;
    BASIN_EMPTY std::conditional_t<(parameters_of<Law> > 0), for_parameters<Law, T>, no_slopes> slopes{};
  };

  template <class T>
  BASIN_HD row<T> start(row_context<T> context) const { return with_scale(start_row(normalize, context), context); }

  template <class T>
    requires fits_rows<Normalizer>
  row<T> fit(std::span<T const> scores, row_context<T> context) const {
    T const scale = law.scale(context);
    std::vector<T> scaled(scores.begin(), scores.end());
    for (T& s : scaled) s = times(scale, s);
    return with_scale(normalize.fit(std::span<T const>(scaled), context), context);
  }

  template <class T>
    requires raises_rows<Normalizer>
  BASIN_HD void raise(row<T>& r, T score) const { normalize.raise(r.inner, times(r.scale, score)); }
  template <class T>
    requires sweeps_rows<Normalizer>
  BASIN_HD void aim(row<T>& r) const { begin_search(normalize, r.inner); }
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
    requires exponential_normalizer<Normalizer>
  BASIN_HD exponent_line<T> exponent(row<T> const& r) const {
    auto const line = normalize.exponent(r.inner);
    return {line.slope * r.scale, line.offset};
  }

  template <class T>
    requires knows_term_sum<Normalizer>
  BASIN_HD T term_sum(row<T> const& r) const { return normalize.term_sum(r.inner); }
  template <class T>
    requires knows_log_sum<Normalizer>
  BASIN_HD T log_sum_exp(row<T> const& r) const { return normalize.log_sum_exp(r.inner); }

  /// The chain rule through c s_j: the Jacobian of Normalizer times c.
  template <class T>
    requires has_jacobian<Normalizer>
  BASIN_HD auto jacobian(row<T> const& r, T score, T weight) const {
    return through_slope(normalize.jacobian(r.inner, times(r.scale, score), weight), r.scale);
  }

  /// dL/dc = sum_j s_j dL/d(c s_j), and dL/ds_j = c dL/d(c s_j).
  template <class T>
    requires(parameters > 0)
  BASIN_HD for_parameters<length_scaled, T> parameter_gradient(row<T> const& r, T score, T weight, T dweight,
                                                               T dscore) const {
    for_parameters<length_scaled, T> all{};
    T const dscaled = math::select(r.scale == T(0), T(0), dscore / r.scale);
    if constexpr (parameters_of<Normalizer> > 0) {
      auto const given = normalize.parameter_gradient(r.inner, times(r.scale, score), weight, dweight, dscaled);
      for (std::size_t n = 0; n < given.size(); ++n) all[n] = given[n];
    }
    if constexpr (parameters_of<Law> > 0)
      for (std::size_t n = 0; n < r.slopes.size(); ++n)
        all[parameters_of<Normalizer> + n] = r.slopes[n] * (score * dscaled);
    return all;
  }
  BASIN_HD void sees_parameter_gradient(row_at at, int which, double gradient) const
    requires(parameters > 0)
  {
    if constexpr (parameters_of<Normalizer> > 0)
      if (which < parameters_of<Normalizer>) return normalize.sees_parameter_gradient(at, which, gradient);
    if constexpr (parameters_of<Law> > 0) law.sees_parameter_gradient(at, which - parameters_of<Normalizer>, gradient);
  }

  template <class F>
  void policies(F&& f) const { f(normalize), f(law); }

  /// c s; -inf for s = -inf, even if c = 0. It uses fma(), so that no compiler fuses the product with a following sum:
  /// c s must have the same bits wherever it is used.
  template <class T>
  BASIN_HD static T times(T scale, T score) {
    return math::select(score == math::minus_inf<T>(), score, math::fma(scale, score, T(0)));
  }

 private:
  template <class T>
  BASIN_HD row<T> with_scale(row_of<Normalizer, T> const& inner, row_context<T> context) const {
    row<T> r{inner, law.scale(context)};
    if constexpr (parameters_of<Law> > 0) r.slopes = law.scale_slopes(context);
    return r;
  }
};

}  // namespace basin
