// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Training on a GPU.

#include "models/cuda_side.hpp"
#include "train/session.hpp"

int basin::train::run_on_cuda(run_options const& options, session const& use) {
  models::require_gpu();
  return run<models::cuda_engine>(options, use);
}
