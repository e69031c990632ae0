// expect: basin: this normalizer lacks `template <class T> struct row`
// lines: 40
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"

struct mine {
  template <class R, class T>
  T weight(R const&, T score) const { return score; }
#ifndef SHOULD_FAIL
  template <class T>
  struct row {};
  template <class T>
  row<T> fit(std::span<T const>, basin::row_context<T>) const { return {}; }
#endif
};

auto const use = basin::attention<>{}.with(mine{});
