// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// In place of on_cuda.cpp where nvcc or cuBLASLt was not found.

#include "programs/without_cuda.hpp"
#include "train/session.hpp"

int basin::train::run_on_cuda(lm::run_options const&, session const&) { programs::refuse_cuda(); }
