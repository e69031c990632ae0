// expect: basin: tensors of attention hold double, float, basin::bfloat16 or basin::float16; view raw 16-bit numbers through basin::as_bfloat16\(pointer\)
// lines: 30
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include <cstdint>

#include "basin/attention.hpp"
#include "basin/cpu/forward.hpp"

#ifdef SHOULD_FAIL
using chosen = int;
#else
using chosen = double;
#endif

void call(basin::view<chosen, 4> q, basin::view<chosen, 4> k, basin::view<chosen, 4> out) {
  basin::cpu::forward(basin::attention<>{}, q, k, k, out);
}
