// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>

#include "basin/lm/weight.hpp"
#include "basin/nn/device/layer_norm.hpp"
#include "basin/nn/device/rms_norm.hpp"
#include "basin/nn/layer_norm.hpp"
#include "basin/nn/rms_norm.hpp"

namespace basin::lm {

/// RMSNorm (Zhang & Sennrich 2019) or LayerNorm (Ba et al. 2016), which also subtracts the mean and adds a vector.
enum class norm_kind { rms, layer };

struct norm_config {
  norm_kind kind = norm_kind::rms;
  float epsilon = 1e-5f;
};

/// The norm of every row of the residual stream.
///
/// Shapes    x, y [rows, dim]
/// Tensors   weight [dim]; bias [dim] of LayerNorm
/// Errors    shape_error; value_error: epsilon < 0; then nothing is written
template <class T, class Device>
class norm {
 public:
  /// What backward() needs again beside x.
  struct activations {
    buffer<T, Device> mean, inverse;
  };

  norm() = default;
  norm(index_t dim, norm_config const& c) : use(c), scale({{"weight", {dim}, first_values::ones}}) {
    if (use.kind == norm_kind::layer) shift = weight<T, Device>({{"bias", {dim}, first_values::zeros}});
  }

  bool is_empty() const { return scale.is_empty(); }

  void forward(Device& on, nn::const_view<T, 2> x, view<T, 2> y, activations& kept) {
    index_t const rows = x.extent(0);
    auto const inverse = kept.inverse.vector(rows);
    if (use.kind == norm_kind::rms) nn::rms_norm_forward(on, x, scale.values(), use.epsilon, y, inverse);
    else
      nn::layer_norm_forward(on, x, scale.values(), shift.values(), use.epsilon, y, kept.mean.vector(rows), inverse);
  }
  /// Adds to dx: the residual stream has a gradient already.
  void backward(Device& on, nn::const_view<T, 2> x, activations& kept, nn::const_view<T, 2> dy, view<T, 2> dx) {
    index_t const rows = x.extent(0);
    auto const inverse = kept.inverse.vector(rows);
    if (use.kind == norm_kind::rms)
      nn::rms_norm_backward(on, x, scale.values(), inverse, dy, dx, scale.gradient());
    else
      nn::layer_norm_backward(on, x, scale.values(), kept.mean.vector(rows), inverse, dy, dx, scale.gradient(),
                              shift.gradient());
  }

  template <class F>
  void weights(std::string const& prefix, F const& f) {
    if (!scale.is_empty()) f(prefix, scale);
    if (!shift.is_empty()) f(prefix, shift);
  }

 private:
  norm_config use;
  weight<T, Device> scale, shift;
};

}  // namespace basin::lm
