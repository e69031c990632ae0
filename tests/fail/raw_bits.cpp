// expect: basin: tensors of attention hold double, float, basin::bfloat16 or basin::float16; view raw 16-bit numbers through basin::as_bfloat16\(pointer\)
// lines: 30
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include <cstdint>

#include "basin/attention.hpp"
#include "basin/cpu/forward.hpp"

#ifdef SHOULD_FAIL
using chosen = std::uint16_t;
#else
using chosen = basin::bfloat16;
#endif

void call(basin::view<chosen const, 4> q, basin::view<chosen const, 4> k, basin::view<float, 4> out) {
  basin::cpu::forward(basin::attention<>{}, q, k, k, out);
}
