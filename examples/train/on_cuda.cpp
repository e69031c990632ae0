// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Training on a GPU.

#include "basin/lm/devices/cuda_device.hpp"
#include "train/session.hpp"

int basin::train::run_on_cuda(lm::run_options const& options, session const& use) {
  lm::require_gpu();
  return run<lm::cuda_device>(options, use);
}
