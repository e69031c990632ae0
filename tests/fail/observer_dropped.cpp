// expect: basin: with\(p\) would drop the policy.*observers by together\(a, b\), or exchange the policy on purpose by replace\(p\)
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"
#include "basin/observe/entropy.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/observe/together.hpp"

#ifdef SHOULD_FAIL
auto const use = basin::attention<>{}.with(basin::entropy{}).with(basin::received_attention{});
#else
auto const use = basin::attention<>{}.with(basin::together(basin::entropy{}, basin::received_attention{}));
#endif
