// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Compiled once for all test programs: what nearly every test includes and what is slow to read.

#include <xsimd/xsimd.hpp>

#include <cuda/std/mdspan>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "support/catch.hpp"
