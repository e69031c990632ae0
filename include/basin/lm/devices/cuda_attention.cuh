// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The attention of cuda_device.hpp: included by the units of a program that instantiate forward(), backward() and
// decode() for its attentions, as examples/programs/cuda_attention.cu does.

#include "basin/cuda/backward.cuh"
#include "basin/cuda/forward.cuh"
#include "basin/lm/devices/cuda_device.hpp"

namespace basin::lm {
namespace detail {

/// Kernels of one dim, with few columns: exact products of fp32 are long when they are unrolled, and ptxas takes
/// minutes for the library's default.
struct one_dim {
  static constexpr int dims[] = {64};
  static constexpr basin::gpu::tuning of(int, int) { return {.warps = 4, .columns = 16, .stages = 2}; }
};

}  // namespace detail

template <class Attention>
void cuda_device::forward(Attention const& use, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v,
                        view<float, 4> out) {
  auto const workspace = workspace_of(forward_workspace(use, check_forward("basin::forward", q, k, v, out)));
  basin::forward<detail::one_dim>(use, q, k, v, out, stream(), workspace);
}
template <class Attention>
void cuda_device::backward(Attention const& use, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v,
                         view<float const, 4> dout, view<float, 4> dq, view<float, 4> dk, view<float, 4> dv) {
  problem const call = check_backward("basin::backward", q, k, v, dout, dq, dk, dv);
  auto const workspace = workspace_of(backward_workspace(use, call));
  basin::backward<detail::one_dim>(use, q, k, v, dout, dq, dk, dv, stream(), workspace);
}

template <class Attention>
void cuda_device::decode(Attention const& use, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v,
                         view<float, 4> out) {
  forward(use, q, k, v, out);  // contexts of these models are short
}

}  // namespace basin::lm
