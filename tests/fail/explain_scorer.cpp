// expect: basin: this scorer lacks `template <class T> T slope\(T dot, basin::pair_at<T>\) const`
// lines: 40
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"

struct mine {
  template <class T>
  T score(T dot, basin::pair_at<T>) const { return dot; }
#ifndef SHOULD_FAIL
  template <class T>
  T slope(T, basin::pair_at<T>) const { return T(1); }
#endif
};

auto const use = basin::attention<>{}.with(mine{});
