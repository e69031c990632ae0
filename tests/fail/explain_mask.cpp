// expect: basin: this mask lacks `basin::coverage covers\(basin::tile\) const`
// lines: 40
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"

struct mine {
  bool allows(basin::coord c) const { return c.key != c.query; }
#ifndef SHOULD_FAIL
  basin::coverage covers(basin::tile) const { return basin::coverage::some; }
#endif
};

auto const use = basin::attention<>{}.with(mine{});
