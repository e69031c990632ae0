// expect: basin: a key_value_cache stores double, float, basin::bfloat16 or basin::float16
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include <cstdint>

#include "basin/cpu/key_value_cache.hpp"

#ifdef SHOULD_FAIL
using chosen = std::uint16_t;
#else
using chosen = basin::bfloat16;
#endif

basin::cpu::key_value_cache<chosen> cache{basin::cpu::cache_shape{}};
