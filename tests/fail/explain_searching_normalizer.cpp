// expect: basin: this normalizer lacks `template <class T> auto next\(row<T>&\) const`
// lines: 40
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"

struct mine {
  template <class T>
  struct row {};
  template <class T>
  void absorb(row<T>&, T) const {}
  template <class T>
  void merge(row<T>&, row<T> const&) const {}
  template <class T>
  T weight(row<T> const&, T score) const { return score; }
#ifndef SHOULD_FAIL
  template <class T>
  bool next(row<T>&) const { return false; }
#endif
};

auto const use = basin::attention<>{}.with(mine{});
