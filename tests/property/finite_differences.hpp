// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Compares gradients of the reference with finite differences of its forward pass.

#include "support/calls.hpp"
#include "support/rows.hpp"

namespace basin_test {

inline shape const tiny{1, 4, 2, 3, 5, 3, 2};

/// The loss sum(dout * out), with `out` from the reference.
template <class Attention>
double loss_of(Attention const& use, call<double>& c) {
  basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v);
  double loss = 0;
  c.out.each([&](double& x, index_t b, index_t h, index_t i, index_t d) { loss += x * c.dout.v(b, h, i, d); });
  return loss;
}

/// Compares with central differences. Skips elements whose one-sided differences disagree: there a weight becomes 0 or
/// positive, and no derivative exists. Returns the number of compared elements.
template <class Attention>
int compare_gradient(Attention const& use, call<double>& c, tensor<double> const& input,
                     tensor<double> const& gradient) {
  double const h = 0x1p-16;
  int compared = 0;
  input.each([&](double& x, index_t b, index_t n, index_t i, index_t d) {
    double const here = x, middle = loss_of(use, c);
    x = here + h;
    double const up = loss_of(use, c);
    x = here - h;
    double const down = loss_of(use, c);
    x = here;
    double const right = (up - middle) / h, left = (middle - down) / h;
    if (std::fabs(right - left) > 1e-2) return;
    ++compared;
    CAPTURE(b, n, i, d);
    CHECK(std::fabs((right + left) / 2 - gradient.v(b, n, i, d)) <= 1e-7);  // h^2 f''' / 6 + eps / h, f''' < 1e3
  });
  return compared;
}

template <class Attention>
void require_gradients(Attention const& use) {
  call<double> c(tiny, numbers::normal, 5);
  basin::reference::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
  int const compared =
      compare_gradient(use, c, c.q, c.dq) + compare_gradient(use, c, c.k, c.dk) + compare_gradient(use, c, c.v, c.dv);
  CHECK(compared >= 80);                                         // of 36 + 30 + 20
}

}  // namespace basin_test
