// expect: basin: this observer of keys lacks `void sees_key\(basin::key_at, double total\) const`
// lines: 40
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"

struct mine {
  template <class T>
  T gives(T weight) const { return weight; }
#ifndef SHOULD_FAIL
  void sees_key(basin::key_at, double) const {}
#endif
};

auto const use = basin::attention<>{}.with(mine{});
