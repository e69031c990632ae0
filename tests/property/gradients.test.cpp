// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers reference.hpp (backward) and the slopes of scorers: gradients against finite differences of reference::forward.
#include "basin/score/scaled.hpp"
#include "support/calls.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

shape const tiny{1, 4, 2, 3, 5, 3, 2};

/// sum of dout * out, with out by the reference.
template <class Attention>
double loss_of(Attention const& use, call<double>& c) {
  basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v);
  double loss = 0;
  c.out.each([&](double& x, index b, index h, index i, index d) { loss += x * c.dout.v(b, h, i, d); });
  return loss;
}

/// Central differences; where the two halves disagree a weight came or went in between, and there is no derivative.
template <class Attention>
int compare_gradient(Attention const& use, call<double>& c, tensor<double> const& input, tensor<double> const& gradient) {
  double const h = 0x1p-16;
  int compared = 0;
  input.each([&](double& x, index b, index n, index i, index d) {
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
    CHECK(std::fabs((right + left) / 2 - gradient.v(b, n, i, d)) <= 1e-7);                   // h^2 f''' / 6 + eps / h, f''' < 1e3
  });
  return compared;
}

template <class Attention>
void require_gradients(Attention const& use) {
  call<double> c(tiny, numbers::normal, 5);
  basin::reference::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
  int const compared = compare_gradient(use, c, c.q, c.dq) + compare_gradient(use, c, c.k, c.dk) + compare_gradient(use, c, c.v, c.dv);
  CHECK(compared >= 80);                                         // of 36 + 30 + 20
}

}  // namespace

TEST_CASE("the reference's gradients are finite differences of its forward pass", "[property][reference]") {
  for_each_case(all_normalizers(), [](auto const& c) {
    INFO(c.name);
    auto const use = basin::attention<>{}.with(c.normalize);
    require_gradients(use);
    require_gradients(use.with(basin::causal{}).with(bent{}));
  });
}

TEST_CASE("gradients pass through every scale", "[property][score]") {
  for (float const scale : {0.0f, 0.25f, -0.5f, 1.5f}) {
    CAPTURE(scale);
    require_gradients(basin::attention<>{}.with(basin::scaled{scale}).with(holes{}));
  }
}

TEST_CASE("scaled: 0 stands for 1/sqrt(dim), any other number for itself", "[unit][score]") {
  basin::pair_at<double> const at{0, 0, 3, 2, 0.125};
  CHECK(basin::scaled{}.score(6.0, at) == 0.75);
  CHECK(basin::scaled{}.slope(6.0, at) == 0.125);
  CHECK(basin::scaled{2.0f}.score(6.0, at) == 12);
  CHECK(basin::scaled{-0.5f}.slope(6.0, at) == -0.5);
  CHECK(basin::scaled{}.factor(0.125f) == 0.125f);
}

}  // namespace basin_test
