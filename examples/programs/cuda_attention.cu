// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The attention of the programs on a GPU with one normalizer, BASIN_NORMALIZER, and any mask and scorer. The build
// compiles it once for each normalizer that BASIN_CUDA_NORMALIZERS names.

#include "basin/lm/devices/cuda_attention.cuh"
#include "programs/cuda_normalizers.hpp"

namespace basin::lm {

using plain = device_attention<BASIN_NORMALIZER>;
using observed = observed_device_attention<BASIN_NORMALIZER>;
using in4 = view<float const, 4>;
using out4 = view<float, 4>;

template void cuda_device::forward(plain const&, in4, in4, in4, out4);
template void cuda_device::forward(observed const&, in4, in4, in4, out4);
template void cuda_device::backward(plain const&, in4, in4, in4, in4, out4, out4, out4);

}  // namespace basin::lm
