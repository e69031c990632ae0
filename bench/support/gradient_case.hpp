// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One backward call with inputs that are the same in every run, and its comparison with the reference.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "basin/basin.hpp"
#include "support/attention_case.hpp"

namespace bench {

/// The inputs of an attention_case, a gradient of its output, and memory for the gradients of q, k and v.
class gradient_case {
 public:
  gradient_case(basin::index_t length, basin::index_t dim) : forward_(length, dim) {
    basin::philox rng(18);
    dout_ = drawn(rng, draw::uniform, length * dim);
    for (auto* const tensor : {&dq_, &dk_, &dv_}) tensor->resize(dout_.size());
  }

  attention_case& forward() { return forward_; }
  /// Five products: scores, gradients of weights, gradients of q, k and v.
  double flops() const { return forward_.flops(5); }

  template <class Attention>
  void run(Attention const& use) { run(use, dout_); }

  /// Checks that every gradient is finite. Then only the sampled rows of the output get a gradient, so the gradients of
  /// q, k and v must be those of the reference for these queries alone.
  template <class Attention>
  bool agrees(Attention const& use) {
    run(use, dout_);
    for (auto const* const tensor : {&dq_, &dk_, &dv_})
      if (!std::all_of(tensor->begin(), tensor->end(), [](float x) { return std::isfinite(x); })) return false;
    std::vector<float> few(dout_.size());
    for (basin::index_t n = 0; n < forward_.sampled(); ++n) {
      basin::index_t const first = forward_.row(n) * forward_.dim();
      std::copy_n(dout_.begin() + first, forward_.dim(), few.begin() + first);
    }
    run(use, few);
    std::vector<double> q(dq_.size()), k(dq_.size()), v(dq_.size());
    basin::reference::backward(use, forward_.sampled_of(forward_.q().data_handle()), forward_.k(), forward_.v(),
                               forward_.sampled_of(std::as_const(few).data()), forward_.sampled_of(q.data()), whole(k),
                               whole(v));
    return near(dq_, q) && near(dk_, k) && near(dv_, v);
  }

 private:
  template <class T>
  basin::view<T, 4> whole(std::vector<T>& tensor) const {
    return basin::contiguous(tensor.data(), 1, 1, forward_.length(), forward_.dim());
  }
  template <class T>
  basin::view<T const, 4> whole(std::vector<T> const& tensor) const {
    return basin::contiguous(tensor.data(), 1, 1, forward_.length(), forward_.dim());
  }

  template <class Attention>
  void run(Attention const& use, std::vector<float> const& dout) {
    basin::cpu::backward(use, forward_.q(), forward_.k(), forward_.v(), whole(dout), whole(dq_), whole(dk_),
                         whole(dv_));
  }

  /// A gradient sums products of weights, with the errors of two of them, and differences of numbers of equal size.
  bool near(std::vector<float> const& got, std::vector<double> const& expected) const {
    return attention_case::close(std::vector<double>(got.begin(), got.end()), expected,
                                 2 * forward_.tolerance({forward_.length()}));
  }

  attention_case forward_;
  std::vector<float> dout_, dq_, dk_, dv_;
};

}  // namespace bench
