// expect: basin: with\(p\) would drop the policy that fills this slot already;.*or exchange the policy on purpose by replace
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/sparsemax.hpp"

#ifdef SHOULD_FAIL
auto const use = basin::attention<>{}.with(basin::entmax15{}).with(basin::sparsemax{});
#else
auto const use = basin::attention<>{}.with(basin::entmax15{}).replace(basin::sparsemax{});
#endif
