// expect: basin: this normalizer lacks `template <class T> T rescale\(row<T> const& old, row<T> const& now\) const`
// lines: 40
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"

struct mine {
  template <class T>
  struct row {
    T max = basin::math::lowest<T>(), sum = T(0);
  };
  template <class T>
  void raise(row<T>& r, T score) const { r.max = basin::math::max(r.max, score); }
  template <class T>
  T term(row<T> const& r, T score) const { return basin::math::exp(score - r.max); }
  template <class T>
  void add(row<T>& r, T, T term) const { r.sum = r.sum + term; }
  template <class T>
  T factor(row<T> const& r) const { return T(1) / r.sum; }
  template <class T>
  void merge(row<T>& into, row<T> const& from) const { into.sum = into.sum + from.sum; }
#ifndef SHOULD_FAIL
  template <class T>
  T rescale(row<T> const& old, row<T> const& now) const { return basin::math::exp(old.max - now.max); }
#endif
};

auto const use = basin::attention<>{}.with(mine{});
