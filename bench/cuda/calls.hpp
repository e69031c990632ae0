// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/library.hpp"

namespace basin_bench {

/// The entries of one policy. nvcc compiles calls.cu once for each, several in parallel.
template <int Policy>
struct calls_of {
  using tensor = basin_cuda_tensor;
  static void forward(std::int32_t watch, tensor const& q, tensor const& k, tensor const& v, tensor const& out,
                      basin_cuda_room const& room);
  static void backward(std::int32_t watch, tensor const& q, tensor const& k, tensor const& v, tensor const& out,
                       tensor const& dout, tensor const& dq, tensor const& dk, tensor const& dv,
                       basin_cuda_room const& room);
  static void decode(tensor const& q, tensor const& k, tensor const& v, tensor const& out,
                     basin_cuda_room const& room);
  static std::uint64_t workspace(tensor const& q, tensor const& k, tensor const& v);
  static std::uint64_t saved(tensor const& q, tensor const& k, tensor const& v);
};

}  // namespace basin_bench
