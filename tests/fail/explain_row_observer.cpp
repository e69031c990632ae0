// expect: basin: this observer of rows lacks `template <class T> void absorb\(row<T>&, basin::seen_term<T>\) const`
// lines: 40
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"

struct mine {
  template <class T>
  struct row {};
  template <class T>
  T report(row<T> const&, T factor) const { return factor; }
  void sees_row(basin::row_at, double) const {}
#ifndef SHOULD_FAIL
  template <class T>
  void absorb(row<T>&, basin::seen_term<T>) const {}
#endif
};

auto const use = basin::attention<>{}.with(mine{});
