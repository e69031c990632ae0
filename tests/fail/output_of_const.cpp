// expect: basin: an output is written, so its elements must not be const
// lines: 30
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include <cstdint>

#include "basin/attention.hpp"
#include "basin/cpu/forward.hpp"

#ifdef SHOULD_FAIL
using chosen = float const;
#else
using chosen = float;
#endif

void call(basin::view<float const, 4> q, basin::view<float const, 4> k, basin::view<chosen, 4> out) {
  basin::cpu::forward(basin::attention<>{}, q, k, k, out);
}
