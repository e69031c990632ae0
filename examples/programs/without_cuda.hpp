// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/core/error.hpp"

namespace basin::programs {

/// What a program that was built without CUDA says when it is asked for a GPU.
///
/// Throws    unsupported_error
[[noreturn]] inline void refuse_cuda() {
  throw unsupported_error("basin: --device is 'cuda', but this program was built without CUDA; leave --device out, or "
                          "build it where nvcc and cuBLASLt are found");
}

}  // namespace basin::programs
