// expect: basin: this pruner lacks `template <class T> bool keeps\(basin::coord, T score\) const`
// lines: 40
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"

struct mine {
#ifdef SHOULD_FAIL
  int keeps(basin::coord) const { return 1; }
#else
  bool keeps(basin::coord, double) const { return true; }
#endif
};

static_assert(basin::explain<mine>());
