// expect: basin: a policy of attention models exactly one of normalizer, mask, pruner, observer, scorer; this one models several
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"
#include "basin/mask/causal.hpp"

struct ambiguous : basin::causal {
#ifdef SHOULD_FAIL
  bool keeps(basin::coord, double) const { return true; }         // a mask by inheritance, and now a pruner as well
#endif
};

auto const use = basin::attention<>{}.with(ambiguous{});
