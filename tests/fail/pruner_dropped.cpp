// expect: basin: with\(p\) would drop the policy that fills this slot already;.*pruners by all_of\(a, b\)
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"
#include "basin/prune/all_of.hpp"
#include "basin/prune/score_floor.hpp"
#include "basin/prune/window_with_sinks.hpp"

#ifdef SHOULD_FAIL
auto const use = basin::attention<>{}.with(basin::score_floor{}).with(basin::window_with_sinks{4, 8, 0});
#else
auto const use = basin::attention<>{}.with(basin::all_of(basin::score_floor{}, basin::window_with_sinks{4, 8, 0}));
#endif
