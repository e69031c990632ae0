// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The device of lm/transformer_on_a_device.test.cpp: a GPU.

#include "basin/lm/devices/cuda_device.hpp"

namespace basin_test {

using device_under_test = basin::lm::cuda_device;

}  // namespace basin_test
