// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The normalizers that the programs have kernels for on a GPU. BASIN_KERNELS: their types.

#include "programs/cuda_normalizers.hpp"

#include "basin/lm/devices/cuda_device.hpp"
#include "basin/lm/policies/normalizers_on_device.hpp"

namespace basin::lm {

std::span<device_normalizer<cuda_device> const> cuda_device::normalizers() {
  return device_normalizers<cuda_device, BASIN_KERNELS>();
}

}  // namespace basin::lm
