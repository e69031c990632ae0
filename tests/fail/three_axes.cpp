// expect: basin: a tensor of attention is a view of 4 axes, \[batch, heads, length, dim\]
// lines: 30
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"
#include "basin/cpu/backward.hpp"

#ifdef SHOULD_FAIL
using tensor = basin::view<float, 3>;
#else
using tensor = basin::view<float, 4>;
#endif

void call(tensor q, tensor gradient) {
  basin::cpu::backward(basin::attention<>{}, q, q, q, q, gradient, gradient, gradient);
}
