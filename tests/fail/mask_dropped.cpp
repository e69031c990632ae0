// expect: basin: with\(p\) would drop the policy that fills this slot already; join masks by all_of\(a, b\)
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"
#include "basin/mask/all_of.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/key_padding.hpp"

#ifdef SHOULD_FAIL
auto const use = basin::attention<>{}.with(basin::causal{}).with(basin::key_padding{});
#else
auto const use =
    basin::attention<>{}.with(basin::all_of(basin::causal{}, basin::key_padding{})).replace(basin::causal{});
#endif
