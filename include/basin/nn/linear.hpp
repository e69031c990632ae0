// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/host.hpp"
#include "basin/nn/matmul.hpp"

// A linear map without bias, y = x W^T. Weights have the layout of checkpoints, [outputs, inputs].

namespace basin::nn {

/// y = x W^T. update::add adds to y: so the output of a block is added to the residual stream.
///
/// Shapes    x [rows, inputs], weight [outputs, inputs], y [rows, outputs]
/// Cost      2 rows inputs outputs flop
/// Errors    shape_error; then nothing is written
/// Determinism  run_to_run, for any number of threads
template <class T>
void linear_forward(host const&, const_view<T, 2> x, const_view<T, 2> weight, view<T, 2> y,
                    update how = update::replace) {
  multiply<T>(x, transposed(weight), y, how);
}

/// The gradient of the input: dx = dy W.
template <class T>
void linear_backward_input(host const&, const_view<T, 2> dy, const_view<T, 2> weight, view<T, 2> dx,
                           update how = update::replace) {
  multiply<T>(dy, weight, dx, how);
}

/// The gradient of the weight, added to the old values: dW += dy^T x.
template <class T>
void linear_backward_weight(host const&, const_view<T, 2> x, const_view<T, 2> dy, view<T, 2> dweight) {
  multiply<T>(transposed(dy), x, dweight, update::add);
}

}  // namespace basin::nn
