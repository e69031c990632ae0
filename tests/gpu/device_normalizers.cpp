// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The normalizers of device_under_test.hpp: models.cu has their kernels.

#include "basin/lm/devices/cuda_device.hpp"
#include "basin/lm/policies/normalizers_on_device.hpp"

namespace basin::lm {

std::span<device_normalizer<cuda_device> const> cuda_device::normalizers() {
  return device_normalizers<cuda_device, softmax, sink_logit, top_k, entmax15, scaled_by_length<softmax>>();
}

}  // namespace basin::lm
