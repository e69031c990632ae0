// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The engine of models/device_engine.test.cpp: a GPU.

#include "basin/lm/devices/cuda_device.hpp"

namespace basin_test {

using engine_under_test = basin::lm::cuda_device;

}  // namespace basin_test
