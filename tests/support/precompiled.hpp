// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Compiled once for all test programs: headers that nearly every test includes and that compile slowly.

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
