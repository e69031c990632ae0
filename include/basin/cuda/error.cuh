// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda_runtime_api.h>

#include "basin/core/error.hpp"

namespace basin {

/// A failed call of the CUDA runtime.
struct cuda_error : error {
  using error::error;
};

namespace gpu::detail {

/// Errors    cuda_error, which names the entry, the call, the error and the device
inline void require(char const* caller, char const* what, cudaError_t status) {
  if (status == cudaSuccess) return;
  int device = -1;
  cudaGetDevice(&device);
  throw cuda_error(message(caller, ": ", what, " failed on device ", device, ": ", cudaGetErrorName(status), ", ",
                           cudaGetErrorString(status)));
}

}  // namespace gpu::detail

}  // namespace basin
