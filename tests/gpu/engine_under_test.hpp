// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The engine of models/device_engine.test.cpp: a GPU.

#include "basin/lm/devices/cuda_side.hpp"

namespace basin_test {

using engine_under_test = basin::lm::cuda_engine;

}  // namespace basin_test
