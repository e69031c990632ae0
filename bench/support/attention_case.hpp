// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One attention call with inputs that any run draws alike, and the comparison with the reference.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "basin/basin.hpp"

namespace bench {

/// One batch, one head, as many queries as keys; inputs uniform in [-1, 1).
class attention_case {
 public:
  attention_case(basin::index length, basin::index dim) : length_(length), dim_(dim) {
    basin::philox rng(17);
    for (auto* const tensor : {&q_, &k_, &v_}) {
      tensor->resize(static_cast<std::size_t>(length * dim));
      for (float& x : *tensor) x = static_cast<float>(2 * basin::uniform(rng) - 1);
    }
    out_.resize(static_cast<std::size_t>(length * dim));
  }

  using input = basin::view<float const, 4>;                     // [1, 1, length, dim]
  input q() const { return view_of(q_); }
  input k() const { return view_of(k_); }
  input v() const { return view_of(v_); }
  basin::view<float, 4> out() { return basin::contiguous(out_.data(), 1, 1, length_, dim_); }

  /// Two products of length x length x dim, a multiply and an add each; the normalizer's own work is not counted.
  double flops() const { return 4.0 * static_cast<double>(length_) * static_cast<double>(length_) * static_cast<double>(dim_); }

  /// Runs forward(use) and compares with the reference.
  template <class Attention>
  bool agrees(Attention const& use) {
    std::vector<double> expected(out_.size());
    basin::reference::forward(basin::attention<>{}, q(), k(), v(), basin::contiguous(expected.data(), 1, 1, length_, dim_));
    std::fill(out_.begin(), out_.end(), std::numeric_limits<float>::quiet_NaN());
    basin::cpu::forward(use, q(), k(), v(), out());
    return std::equal(out_.begin(), out_.end(), expected.begin(),
                      [&](float got, double want) { return std::fabs(static_cast<double>(got) - want) <= tolerance(); });
  }

  /// |q|, |k|, |v| <= 1, so a dot product errs by dim^2 eps at most before it is scaled by 1 / sqrt(dim); a weight errs by
  /// twice that relative to itself, and summing the weighted values adds length eps.
  double tolerance() const {
    double const eps = std::numeric_limits<float>::epsilon() / 2, d = static_cast<double>(dim_);
    return 2 * d * d * eps / std::sqrt(d) + static_cast<double>(length_) * eps;
  }

 private:
  input view_of(std::vector<float> const& tensor) const { return basin::contiguous(tensor.data(), 1, 1, length_, dim_); }

  basin::index length_, dim_;
  std::vector<float> q_, k_, v_, out_;
};

}  // namespace bench
