// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers nn/layer_norm.hpp and nn/bias.hpp
#include "basin/nn/layer_norm.hpp"

#include "basin/nn/bias.hpp"
#include "nn/gradients.hpp"
#include "nn/same_bits.hpp"
#include "support/tolerance.hpp"

namespace basin {

using basin_test::Approx, basin_test::ContainsSubstring, basin_test::eps_of;
using nn_test::random_values;

TEST_CASE("the layer norm of a row agrees with numbers computed in 40 digits", "[unit][nn]") {
  std::vector<double> const x{1, 2, 4, -3.5}, w{0.5, -1, 2, 1.5}, b{0.25, 0, -1, 3};
  std::vector<double> const expected{0.2727357297368287, -0.409243135262916, 1.2735729736828667, 0.6127483776329901};
  std::vector<double> y(4), mean(1), r(1), plain(4);
  auto const row = contiguous(x.data(), 1, 4);
  nn::layer_norm_forward(nn::host{}, row, w, b, 0.01, contiguous(y.data(), 1, 4), std::span(mean), std::span(r));
  CHECK(mean[0] == 0.875);
  CHECK(r[0] == Approx(0.3637716757892587).epsilon(1e-15));
  for (std::size_t d = 0; d < 4; ++d) CHECK(y[d] == Approx(expected[d]).epsilon(1e-14));
  nn::layer_norm_forward(nn::host{}, row, w, {}, 0.01, contiguous(plain.data(), 1, 4), std::span(mean), std::span(r));
  for (std::size_t d = 0; d < 4; ++d) CHECK(plain[d] + b[d] == Approx(expected[d]).epsilon(1e-14));
}

TEST_CASE("the gradients of the layer norm agree with finite differences, with and without a bias", "[property][nn]") {
  auto const dim = GENERATE(1, 2, 7, 33);
  bool const biased = GENERATE(true, false);
  CAPTURE(dim, biased);
  index_t const rows = 4;
  auto x = random_values(1, rows * dim), w = random_values(2, dim), b = random_values(4, biased ? dim : 0);
  auto const dy = random_values(3, rows * dim);
  std::vector<double> y(rows * dim), mean(rows), r(rows), dx(rows * dim), dw(dim), db(b.size());
  auto const vx = contiguous(x.data(), rows, dim), vdx = contiguous(dx.data(), rows, dim);
  auto const vdy = contiguous(dy.data(), rows, dim);
  auto const loss = [&] {
    nn::layer_norm_forward(nn::host{}, vx, w, b, 1e-1, contiguous(y.data(), rows, dim), std::span(mean), std::span(r));
    return nn_test::dot(y, dy);
  };
  loss();
  nn::layer_norm_backward(nn::host{}, vx, w, mean, r, vdy, vdx, std::span(dw), std::span(db));
  nn_test::require_gradient(x, dx, loss);
  nn_test::require_gradient(w, dw, loss);
  nn_test::require_gradient(b, db, loss);
  loss();
  auto const once_x = dx, once_w = dw, once_b = db;              // a second call adds the same once more
  nn::layer_norm_backward(nn::host{}, vx, w, mean, r, vdy, vdx, std::span(dw), std::span(db));
  for (std::size_t i = 0; i < dx.size(); ++i) CHECK(dx[i] == Approx(2 * once_x[i]).margin(1e-14));
  for (std::size_t d = 0; d < dw.size(); ++d) CHECK(dw[d] == Approx(2 * once_w[d]).margin(1e-14));
  for (std::size_t d = 0; d < db.size(); ++d) CHECK(db[d] == Approx(2 * once_b[d]).margin(1e-14));
}

TEST_CASE("the layer norm gives rows of mean zero and variance one, and the bias for rows of equal numbers",
          "[unit][nn]") {
  auto x = random_values(1, 64, 3.0);
  x.resize(128, 3.0);
  std::vector<double> const w(64, 1.0), b(64, 0.5);
  std::vector<double> y(128), mean(2), r(2);
  nn::layer_norm_forward(nn::host{}, contiguous(x.data(), 2, 64), w, b, 1e-12, contiguous(y.data(), 2, 64),
                         std::span(mean), std::span(r));
  double sum = 0, squares = 0;
  for (std::size_t d = 0; d < 64; ++d) sum += y[d] - 0.5, squares += (y[d] - 0.5) * (y[d] - 0.5);
  CHECK(sum == Approx(0).margin(1e-12));
  CHECK(squares == Approx(64));
  CHECK(std::vector<double>(y.begin() + 64, y.end()) == std::vector<double>(64, 0.5));
}

TEST_CASE("the variance of the layer norm does not cancel in rows far from zero", "[property][nn]") {
  // The mean of n numbers m has an error of n eps m, which shifts x - mean. The mean of x^2 minus mean^2 would have an
  // error of eps m^2 = 12 here, and the variance is 1.
  index_t const dim = 64;
  auto x = random_values<float>(1, dim);
  for (float& value : x) value += 1e4f;
  std::vector<double> const wide(x.begin(), x.end()), ones(dim, 1.0);
  std::vector<float> const w(dim, 1.0f);
  std::vector<float> y(dim), mean(1), r(1);
  std::vector<double> expected(dim), wide_mean(1), wide_r(1);
  nn::layer_norm_forward(nn::host{}, contiguous(x.data(), 1, dim), w, {}, 1e-5, contiguous(y.data(), 1, dim),
                         std::span(mean), std::span(r));
  nn::layer_norm_forward(nn::host{}, contiguous(wide.data(), 1, dim), ones, {}, 1e-5,
                         contiguous(expected.data(), 1, dim), std::span(wide_mean), std::span(wide_r));
  double const shift = (dim + 1) * eps_of<float> * 1e4 * wide_r[0];
  for (index_t d = 0; d < dim; ++d) {
    double const size = std::abs(expected[d]);
    CHECK(std::abs(y[d] - expected[d]) <= shift + size * (shift * shift + (dim + 8) * eps_of<float>));
  }
}

TEST_CASE("a layer norm of the wrong shape is refused before anything is written", "[unit][nn]") {
  std::vector<float> const x(12, 1.0f), four(4, 1.0f), three(3, 1.0f);
  std::vector<float> y(12, 5.0f), mean(3, 5.0f), r(3, 5.0f), grown(4, 5.0f);
  auto const vx = contiguous(x.data(), 3, 4);
  auto const vy = contiguous(y.data(), 3, 4);
  auto const forward = [&](std::vector<float> const& w, std::vector<float> const& b, double epsilon, std::size_t rows) {
    nn::layer_norm_forward(nn::host{}, vx, w, b, epsilon, vy, std::span(mean).first(rows), std::span(r));
  };
  CHECK_THROWS_AS(forward(three, four, 0, 3), shape_error);
  CHECK_THROWS_WITH(forward(four, three, 0, 3),
                    "basin::nn::layer_norm_forward: the dim of x is 4, the size of bias is 3; they must be equal");
  CHECK_THROWS_AS(forward(four, four, 0, 2), shape_error);
  CHECK_THROWS_AS(forward(four, four, -1, 3), value_error);
  CHECK_THROWS_AS(forward(four, four, std::nan(""), 3), value_error);
  auto const backward = [&](std::vector<float> const& m, auto dy, std::size_t dw, std::size_t db) {
    nn::layer_norm_backward(nn::host{}, vx, four, m, three, dy, vy, std::span(grown).first(dw),
                            std::span(grown).first(db));
  };
  CHECK_THROWS_AS(backward(four, vx, 4, 4), shape_error);
  CHECK_THROWS_AS(backward(three, contiguous(x.data(), 4, 3), 4, 4), shape_error);
  CHECK_THROWS_AS(backward(three, vx, 3, 4), shape_error);
  CHECK_THROWS_WITH(backward(three, vx, 4, 3), ContainsSubstring("the size of dbias is 3"));
  CHECK(y == std::vector<float>(12, 5.0f));
  CHECK(mean == std::vector<float>(3, 5.0f));
  CHECK(r == std::vector<float>(3, 5.0f));
  CHECK(grown == std::vector<float>(4, 5.0f));
}

TEST_CASE("a bias is added to every row, and its gradient adds the sums of the columns in the order of the rows",
          "[unit][nn]") {
  std::vector<double> const bias{1, -2, 0.5};
  std::vector<double> memory{1, 2, 3, -9, 4, 5, 6, -9};          // rows lie one number apart
  auto const y = strided(memory.data(), std::array<index_t, 2>{2, 3}, std::array<index_t, 2>{4, 1});
  nn::add_bias(nn::host{}, bias, y);
  CHECK(memory == std::vector<double>{2, 0, 3.5, -9, 5, 3, 6.5, -9});
  std::vector<double> dbias{10, 20, 30};
  nn::bias_backward(nn::host{}, y, std::span(dbias));
  CHECK(dbias == std::vector<double>{17, 23, 40});
  // in another order, the sum of the first column would be 1
  std::vector<float> const rows{1, 1e8f, -1e8f};
  std::vector<float> sum(1);
  nn::bias_backward(nn::host{}, contiguous(rows.data(), 3, 1), std::span(sum));
  CHECK(sum[0] == 0);
  CHECK_THROWS_WITH(nn::add_bias(nn::host{}, std::span(bias).first(2), y),
                    "basin::nn::add_bias: the number of columns is 3, the size of bias is 2; they must be equal");
  CHECK_THROWS_AS(nn::bias_backward(nn::host{}, y, std::span(dbias).first(2)), shape_error);
  CHECK(dbias == std::vector<double>{17, 23, 40});
}

TEST_CASE("layer norms and biases have the same bits for any number of threads", "[property][nn]") {
  index_t const rows = 300, dim = 203;
  auto const x = random_values<float>(1, rows * dim), dy = random_values<float>(2, rows * dim),
             w = random_values<float>(3, dim), b = random_values<float>(4, dim);
  auto const vx = contiguous(x.data(), rows, dim), vdy = contiguous(dy.data(), rows, dim);
  nn_test::require_same_bits([&] {
    std::vector<float> y(rows * dim), mean(rows), r(rows), dx(rows * dim), dw(dim), db(dim), sums(dim);
    auto const vy = contiguous(y.data(), rows, dim);
    nn::layer_norm_forward(nn::host{}, vx, w, b, 1e-5, vy, std::span(mean), std::span(r));
    nn::layer_norm_backward(nn::host{}, vx, w, mean, r, vdy, contiguous(dx.data(), rows, dim), std::span(dw),
                            std::span(db));
    nn::add_bias(nn::host{}, b, vy);
    nn::bias_backward(nn::host{}, vy, std::span(sums));
    for (auto const* part : {&mean, &r, &dx, &dw, &db, &sums}) y.insert(y.end(), part->begin(), part->end());
    return y;
  });
}

}  // namespace basin
