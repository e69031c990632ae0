// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/normalizer.hpp"

/// A user-defined normalizer, which the library does not contain: softmax beside one more key of score 0,
/// w_j = e^(s_j) / (1 + sum_k e^(s_k)). Its kernels are compared with those of softmax.
struct own_normalizer {
  template <class T>
  struct row {
    T max = T(0), sum = T(0);                                    // includes the key of score 0
  };

  template <class T>
  BASIN_HD void raise(row<T>& r, T score) const { r.max = basin::math::larger(r.max, score); }
  template <class T>
  BASIN_HD T term(row<T> const& r, T score) const { return basin::math::exp_nonpositive(score - r.max); }
  template <class T>
  BASIN_HD T log_term(row<T> const& r, T score) const { return score - r.max; }
  template <class T>
  BASIN_HD basin::exponent_line<T> exponent(row<T> const& r) const { return basin::exponent_below(r.max, T(1)); }
  template <class T>
  BASIN_HD void add(row<T>& r, T, T term) const { r.sum = r.sum + term; }
  template <class T>
  BASIN_HD T rescale(row<T> const& old, row<T> const& now) const { return basin::math::exp(old.max - now.max); }
  template <class T>
  BASIN_HD T factor(row<T> const& r) const { return T(1) / (r.sum + basin::math::exp(T(0) - r.max)); }
  template <class T>
  BASIN_HD void merge(row<T>& into, row<T> const& from) const {
    row<T> const now{basin::math::larger(into.max, from.max), T(0)};
    into = {now.max, into.sum * rescale(into, now) + from.sum * rescale(from, now)};
  }
};
static_assert(basin::exponential_normalizer<own_normalizer>);
