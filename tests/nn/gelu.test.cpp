// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers nn/gelu.hpp
#include "basin/nn/gelu.hpp"

#include <limits>

#include "nn/gradients.hpp"
#include "nn/same_bits.hpp"
#include "support/tolerance.hpp"

namespace basin {

using basin_test::eps_of;
using nn_test::random_values;

namespace {

struct golden {
  nn::gelu_form form;
  std::vector<double> values, slopes;
};

std::vector<double> const inputs{-8, -3.5, -1, -0.25, 0, 0.5, 1, 2.75, 6};

/// x erfc(-x / sqrt 2) / 2, x (1 + tanh(...)) / 2 and their derivatives at the inputs, by mpmath in 40 digits.
std::vector<golden> const numbers{
    {nn::gelu_form::exact,
     {-4.976768459417427e-15, -0.0008142017766243376, -0.15865525393145705, -0.10032341857926907, 0,
      0.34573123063700656, 0.8413447460685429, 2.7418056511035998, 5.999999994080474},
     {-3.979607261086796e-14, -0.002821760353624635, -0.0833154705876863, 0.30462664511636395, 0.5, 0.8674951246561629,
      1.0833154705876864, 1.0220275336443208, 1.0000000354687095}},
    {nn::gelu_form::tanh,
     {-3.1077829375011112e-21, -0.0006161976553736633, -0.1588080093917233, -0.100324649298315, 0,
      0.34571400982514394, 0.8411919906082767, 2.742276855926382, 5.9999999999156035},
     {-4.7147845041068414e-20, -0.002422643760116431, -0.08296408384578255, 0.30464590484893955, 0.5,
      0.8673699035346423, 1.0829640838457826, 1.0219489215934983, 1.0000000007709975}}};

}  // namespace

TEST_CASE("GELU and its slope agree with numbers computed in 40 digits", "[unit][nn]") {
  index_t const n = std::ssize(inputs);
  std::vector<double> const ones(inputs.size(), 1.0);
  for (golden const& g : numbers) {
    std::vector<double> y(inputs.size()), slope(inputs.size());
    nn::gelu_forward(nn::host{}, g.form, contiguous(inputs.data(), 1, n), contiguous(y.data(), 1, n));
    nn::gelu_backward(nn::host{}, g.form, contiguous(inputs.data(), 1, n), contiguous(ones.data(), 1, n),
                      contiguous(slope.data(), 1, n));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      // an exponent of about x^2 has an error of a few eps x^2, which is the relative error of the exponential
      double const error = 8 * (1 + inputs[i] * inputs[i]) * eps_of<double>;
      CAPTURE(static_cast<int>(g.form), inputs[i]);
      CHECK(std::abs(y[i] - g.values[i]) <= error * std::abs(g.values[i]));
      CHECK(std::abs(slope[i] - g.slopes[i]) <= error * std::abs(g.slopes[i]));
    }
  }
}

TEST_CASE("the gradient of GELU agrees with finite differences, also in place", "[property][nn]") {
  auto const form = GENERATE(nn::gelu_form::exact, nn::gelu_form::tanh);
  index_t const rows = 3, hidden = 19;                           // whole SIMD batches and a rest
  auto x = random_values(1, rows * hidden, 2.0);
  auto const dy = random_values(2, rows * hidden);
  std::vector<double> y(x.size()), dx(x.size(), 9.0);
  auto const on = [&](auto& values) { return contiguous(values.data(), rows, hidden); };
  auto const loss = [&] {
    nn::gelu_forward(nn::host{}, form, on(x), on(y));
    return nn_test::dot(y, dy);
  };
  nn::gelu_backward(nn::host{}, form, on(x), on(dy), on(dx));
  nn_test::require_gradient(x, dx, loss);
  auto over_x = x, over_dy = dy;
  nn::gelu_backward(nn::host{}, form, on(over_x), on(dy), on(over_x));
  nn::gelu_backward(nn::host{}, form, on(x), on(over_dy), on(over_dy));
  CHECK(over_x == dx);
  CHECK(over_dy == dx);
  loss();
  nn::gelu_forward(nn::host{}, form, on(x), on(x));
  CHECK(x == y);
}

TEST_CASE("GELU in float agrees with its definition in double, and huge numbers cause no NaN", "[unit][nn]") {
  auto const form = GENERATE(nn::gelu_form::exact, nn::gelu_form::tanh);
  std::vector<float> const x{-1e30f, -1e10f, -200, -20, -12, -5,  -1e-3f, -1e-30f, 0,
                             1e-30f, 1e-3f,  5,    12,  20,  200, 1e10f,  1e30f};
  index_t const n = std::ssize(x);
  std::vector<float> const ones(x.size(), 1.0f);
  std::vector<float> y(x.size()), slope(x.size());
  std::vector<double> const wide(x.begin(), x.end()), wide_ones(x.size(), 1.0);
  std::vector<double> value(x.size()), wide_slope(x.size());
  nn::gelu_forward(nn::host{}, form, contiguous(x.data(), 1, n), contiguous(y.data(), 1, n));
  nn::gelu_backward(nn::host{}, form, contiguous(x.data(), 1, n), contiguous(ones.data(), 1, n),
                    contiguous(slope.data(), 1, n));
  nn::gelu_forward(nn::host{}, form, contiguous(wide.data(), 1, n), contiguous(value.data(), 1, n));
  nn::gelu_backward(nn::host{}, form, contiguous(wide.data(), 1, n), contiguous(wide_ones.data(), 1, n),
                    contiguous(wide_slope.data(), 1, n));
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(x[i]);
    // beyond 20, both are 0, x or 1 in float; numbers below 1e-35 may become 0
    double const square = std::min(wide[i] * wide[i], 400.0), error = 8 * (1 + square) * eps_of<float>;
    CHECK(std::abs(y[i] - value[i]) <= error * std::abs(value[i]) + 1e-35);
    CHECK(std::abs(slope[i] - wide_slope[i]) <= error * std::abs(wide_slope[i]) + 1e-35);
  }
  CHECK(y.front() == 0);
  CHECK(slope.front() == 0);
  CHECK(y.back() == x.back());
  CHECK(slope.back() == 1);
}

TEST_CASE("the two forms of GELU differ by less than 4.8e-4, and a NaN stays one", "[unit][nn]") {
  index_t const n = 2001;
  std::vector<double> x(n), exact(n), tanh(n);
  for (index_t i = 0; i < n; ++i) x[i] = static_cast<double>(i - 1000) / 100;
  nn::gelu_forward(nn::host{}, nn::gelu_form::exact, contiguous(x.data(), 1, n), contiguous(exact.data(), 1, n));
  nn::gelu_forward(nn::host{}, nn::gelu_form::tanh, contiguous(x.data(), 1, n), contiguous(tanh.data(), 1, n));
  double largest = 0;
  for (index_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(exact[i] - tanh[i]));
  CHECK(largest < 4.8e-4);
  CHECK(largest > 4.6e-4);
  for (auto const form : {nn::gelu_form::exact, nn::gelu_form::tanh}) {
    std::vector<float> y(17, std::numeric_limits<float>::quiet_NaN());
    nn::gelu_forward(nn::host{}, form, contiguous(y.data(), 1, 17), contiguous(y.data(), 1, 17));
    for (float const value : y) CHECK(std::isnan(value));
  }
}

TEST_CASE("GELU has the same bits for any number of threads, and refuses wrong shapes", "[property][nn]") {
  index_t const rows = 300, hidden = 203;
  auto const x = random_values<float>(1, rows * hidden), dy = random_values<float>(2, rows * hidden);
  auto const vx = contiguous(x.data(), rows, hidden), vdy = contiguous(dy.data(), rows, hidden);
  for (auto const form : {nn::gelu_form::exact, nn::gelu_form::tanh})
    nn_test::require_same_bits([&] {
      std::vector<float> y(rows * hidden), dx(rows * hidden);
      nn::gelu_forward(nn::host{}, form, vx, contiguous(y.data(), rows, hidden));
      nn::gelu_backward(nn::host{}, form, vx, vdy, contiguous(dx.data(), rows, hidden));
      y.insert(y.end(), dx.begin(), dx.end());
      return y;
    });
  std::vector<float> y(12, 5.0f);
  CHECK_THROWS_WITH(nn::gelu_forward(nn::host{}, nn::gelu_form::tanh, contiguous(x.data(), 4, 3),
                                     contiguous(y.data(), 3, 4)),
                    "basin::nn::gelu_forward: x is 4 x 3, y is 3 x 4; they must be equal");
  CHECK_THROWS_AS(nn::gelu_backward(nn::host{}, nn::gelu_form::exact, contiguous(x.data(), 3, 4),
                                    contiguous(x.data(), 4, 3), contiguous(y.data(), 3, 4)),
                  shape_error);
  CHECK(y == std::vector<float>(12, 5.0f));
}

}  // namespace basin
