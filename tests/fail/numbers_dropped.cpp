// expect: basin: with\(p\) would drop the numbers
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/attention.hpp"
#include "basin/normalize/top_k.hpp"

#ifdef SHOULD_FAIL
constexpr basin::softmax held{.temperature = 0.5};
#else
constexpr basin::softmax held{};
#endif

constexpr auto use = basin::attention<>{}.with(held).with(basin::top_k{});
