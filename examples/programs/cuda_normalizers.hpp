// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The normalizers of which the programs may have kernels for a GPU. Include the file of yours here, and name it in
// BASIN_CUDA_NORMALIZERS.

#include "basin/lm/policies/described.hpp"
#include "basin/lm/policies/device_attention.hpp"
