// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers nn/cross_entropy.hpp
#include <limits>

#include "basin/nn/cross_entropy.hpp"
#include "nn/gradients.hpp"

namespace basin {

using basin_test::Approx;
using nn_test::random_values;

TEST_CASE("the gradient of the cross entropy agrees with finite differences", "[property][nn]") {
  auto const vocabulary = GENERATE(1, 2, 8, 37);
  index_t const rows = 4;
  auto logits = random_values(1, rows * vocabulary, 3.0);
  std::vector<int> targets{0, vocabulary - 1, -5, vocabulary / 2};
  std::vector<double> const weights{1.0, 0.25, 0.0, 2.0};
  std::vector<double> losses(rows), gradient(rows * vocabulary, 9.0);
  auto const v = contiguous(logits.data(), rows, vocabulary);
  auto const loss = [&] { return nn::cross_entropy_forward(nn::host{}, v, targets, weights, std::span(losses)); };
  nn::cross_entropy_backward(nn::host{}, v, targets, weights, contiguous(gradient.data(), rows, vocabulary));
  nn_test::require_gradient(logits, gradient, loss);
}

TEST_CASE("equal logits cost log of the vocabulary", "[unit][nn]") {
  std::vector<float> const logits(3 * 65, 2.5f), weights(3, 1.0f / 3);
  std::vector<int> const targets{0, 30, 64};
  std::vector<float> losses(3);
  auto const view = contiguous(logits.data(), 3, 65);
  double const loss = nn::cross_entropy_forward(nn::host{}, view, targets, weights, std::span(losses));
  CHECK(loss == Approx(std::log(65.0)).epsilon(1e-6));
}

TEST_CASE("huge logits cause no overflow", "[unit][nn]") {
  std::vector<float> logits{1e30f, -1e30f, 0.0f, 300.0f, 299.0f, -300.0f};
  std::vector<int> const targets{0, 1};
  std::vector<float> const weights{1.0f, 1.0f};
  std::vector<float> losses(2), gradient(6);
  auto const view = contiguous(logits.data(), 2, 3);
  nn::cross_entropy_forward(nn::host{}, view, targets, weights, std::span(losses));
  CHECK(losses[0] == 0.0f);
  CHECK(losses[1] == Approx(1 + std::log1p(std::exp(-1.0))).epsilon(1e-6));
  nn::cross_entropy_backward(nn::host{}, view, targets, weights, contiguous(gradient.data(), 2, 3));
  for (float const g : gradient) CHECK(std::isfinite(g));
}

TEST_CASE("rows of weight zero are not read and get no gradient", "[unit][nn]") {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> const logits{nan, nan, 0.0f, 0.0f}, weights{0.0f, 1.0f};
  std::vector<int> const targets{77, 1};
  std::vector<float> losses(2), gradient(4, 5.0f);
  auto const view = contiguous(logits.data(), 2, 2);
  double const loss = nn::cross_entropy_forward(nn::host{}, view, targets, weights, std::span(losses));
  CHECK(loss == Approx(std::log(2.0)));
  CHECK(losses[0] == 0.0f);
  nn::cross_entropy_backward(nn::host{}, view, targets, weights, contiguous(gradient.data(), 2, 2));
  CHECK(gradient == std::vector<float>{0.0f, 0.0f, 0.5f, -0.5f});
}

TEST_CASE("the cross entropy refuses targets outside the vocabulary, and writes nothing", "[unit][nn]") {
  std::vector<float> const logits(4), weights(2, 1.0f);
  std::vector<float> losses(2, 5.0f), gradient(4, 5.0f);
  auto const view = contiguous(logits.data(), 2, 2);
  for (int const wrong : {-1, 2}) {
    std::vector<int> const targets{0, wrong};
    CHECK_THROWS_AS(nn::cross_entropy_forward(nn::host{}, view, targets, weights, std::span(losses)), value_error);
    CHECK_THROWS_AS(nn::cross_entropy_backward(nn::host{}, view, targets, weights, contiguous(gradient.data(), 2, 2)),
                    value_error);
  }
  std::vector<int> const one{0};
  CHECK_THROWS_AS(nn::cross_entropy_forward(nn::host{}, view, one, weights, std::span(losses)), shape_error);
  CHECK(losses == std::vector<float>(2, 5.0f));
  CHECK(gradient == std::vector<float>(4, 5.0f));
}

}  // namespace basin
