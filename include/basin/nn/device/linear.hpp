// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/nn/detail/blas_layout.hpp"
#include "basin/nn/device/grids.hpp"

// The linear map of nn/linear.hpp on a device; the device computes the products.

namespace basin::nn {

/// y = x W^T, or y += x W^T
///
/// Shapes    x [rows, inputs], weight [outputs, inputs], y [rows, outputs]
/// Errors    shape_error; then nothing is launched
/// Determinism  run_to_run
template <device D, class T>
void linear_forward(D& on, const_view<T, 2> x, const_view<T, 2> weight, view<T, 2> y, update how = update::replace) {
  detail::require_product<T>(x, transposed(weight), y);
  on.multiply(x, transposed(weight), y, how);
}

/// dx = dy W
template <device D, class T>
void linear_backward_input(D& on, const_view<T, 2> dy, const_view<T, 2> weight, view<T, 2> dx,
                           update how = update::replace) {
  detail::require_product<T>(dy, weight, dx);
  on.multiply(dy, weight, dx, how);
}

/// dW += dy^T x
template <device D, class T>
void linear_backward_weight(D& on, const_view<T, 2> x, const_view<T, 2> dy, view<T, 2> dweight) {
  detail::require_product<T>(transposed(dy), x, dweight);
  on.multiply(transposed(dy), x, dweight, update::add);
}

}  // namespace basin::nn
