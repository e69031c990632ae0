// expect: basin: a policy of attention models exactly one of normalizer, mask, pruner, observer, scorer; this type has a hook of none
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"
#include "basin/mask/causal.hpp"

#ifdef SHOULD_FAIL
struct chosen {};
#else
using chosen = basin::causal;
#endif

auto const use = basin::attention<>{}.with(chosen{});
