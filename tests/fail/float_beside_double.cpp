// expect: basin: the tensors of a call are computed in one type
// lines: 30
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include <cstdint>

#include "basin/attention.hpp"
#include "basin/cpu/forward.hpp"

#ifdef SHOULD_FAIL
using chosen = double;
#else
using chosen = basin::bfloat16;
#endif

void call(basin::view<float const, 4> q, basin::view<chosen const, 4> k, basin::view<float, 4> out) {
  basin::cpu::forward(basin::attention<>{}, q, k, k, out);
}
