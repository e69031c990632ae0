// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <vector>

#include <xsimd/xsimd.hpp>

namespace basin::lm {

/// Memory of the host, aligned to a cache line, so that SIMD loads of rows do not straddle two.
template <class T>
using host_storage = std::vector<T, xsimd::aligned_allocator<T, 64>>;

}  // namespace basin::lm
