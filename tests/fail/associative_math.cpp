// expect: basin: compiled with -ffast-math, -ffinite-math-only or -fassociative-math
// flags: -fassociative-math -fno-signed-zeros -fno-trapping-math
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef SHOULD_FAIL
#define BASIN_ALLOW_FAST_MATH
#endif
#include "basin/attention.hpp"
