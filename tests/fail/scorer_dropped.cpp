// expect: basin: with\(p\) would drop the policy that fills this slot already
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"
#include "basin/score/alibi.hpp"
#include "basin/score/soft_cap.hpp"

#ifdef SHOULD_FAIL
auto const use = basin::attention<>{}.with(basin::soft_cap{}).with(basin::alibi<basin::scaled>{});
#else
auto const use = basin::attention<>{}.with(basin::alibi<basin::soft_cap>{});
#endif
