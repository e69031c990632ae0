// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers nn/embedding.hpp, nn/rms_norm.hpp, nn/rope.hpp and nn/swiglu.hpp
#include <limits>
#include <numbers>

#include "basin/nn/embedding.hpp"
#include "basin/nn/rms_norm.hpp"
#include "basin/nn/rope.hpp"
#include "basin/nn/swiglu.hpp"
#include "nn/gradients.hpp"
#include "nn/same_bits.hpp"

namespace basin {

using basin_test::Approx;
using nn_test::random_values, nn_test::require_same_bits;

TEST_CASE("an embedding copies rows, and its gradient sums over equal tokens", "[unit][nn]") {
  std::vector<int> const tokens{2, 0, 2, 2};
  auto table = random_values(1, 3 * 5);
  auto const dy = random_values(2, 4 * 5);
  std::vector<double> y(4 * 5), dtable(3 * 5);
  auto const loss = [&] {
    nn::embedding_forward(nn::host{}, tokens, contiguous(table.data(), 3, 5), contiguous(y.data(), 4, 5));
    return nn_test::dot(y, dy);
  };
  loss();
  for (index_t i = 0; i < 4; ++i)
    for (index_t d = 0; d < 5; ++d) CHECK(y[i * 5 + d] == table[tokens[i] * 5 + d]);
  nn::embedding_backward(nn::host{}, tokens, contiguous(dy.data(), 4, 5), contiguous(dtable.data(), 3, 5));
  nn_test::require_gradient(table, dtable, loss);
}

TEST_CASE("an embedding refuses tokens outside its table", "[unit][nn]") {
  std::vector<double> table(6, 1.0), y(4, 9.0);
  for (int const wrong : {-1, 3}) {
    std::vector<int> const tokens{0, wrong};
    auto const rows = contiguous(table.data(), 3, 2), found = contiguous(y.data(), 2, 2);
    CHECK_THROWS_AS(nn::embedding_forward(nn::host{}, tokens, rows, found), value_error);
    CHECK_THROWS_AS(nn::embedding_backward(nn::host{}, tokens, found, rows), value_error);
  }
  CHECK(y == std::vector<double>(4, 9.0));
  CHECK(table == std::vector<double>(6, 1.0));
}

TEST_CASE("the gradients of the RMS norm agree with finite differences", "[property][nn]") {
  auto const dim = GENERATE(1, 2, 7, 33);
  index_t const rows = 4;
  auto x = random_values(1, rows * dim), w = random_values(2, dim);
  auto const dy = random_values(3, rows * dim);
  std::vector<double> y(rows * dim), r(rows), dx(rows * dim), dw(dim);
  auto const vx = contiguous(x.data(), rows, dim);
  auto const loss = [&] {
    nn::rms_norm_forward(nn::host{}, vx, w, 1e-2, contiguous(y.data(), rows, dim), std::span(r));
    return nn_test::dot(y, dy);
  };
  loss();
  nn::rms_norm_backward(nn::host{}, vx, w, r, contiguous(dy.data(), rows, dim), contiguous(dx.data(), rows, dim),
                        std::span(dw));
  nn_test::require_gradient(x, dx, loss);
  nn_test::require_gradient(w, dw, loss);
}

TEST_CASE("the RMS norm gives rows of mean square one, and zeros for zeros", "[unit][nn]") {
  auto x = random_values(1, 64, 3.0);
  x.resize(128, 0.0);
  std::vector<double> const w(64, 1.0);
  std::vector<double> y(128), r(2);
  auto const forward = [&](index_t rows, index_t dim, double epsilon) {
    nn::rms_norm_forward(nn::host{}, contiguous(x.data(), rows, dim), w, epsilon, contiguous(y.data(), rows, dim),
                         std::span(r));
  };
  forward(2, 64, 1e-12);
  CHECK(nn_test::dot(std::span(y).first(64), std::span(y).first(64)) == Approx(64));
  CHECK(std::vector<double>(y.begin() + 64, y.end()) == std::vector<double>(64, 0.0));
  CHECK_THROWS_AS(forward(2, 64, -1), value_error);
  CHECK_THROWS_AS(forward(4, 32, 0), shape_error);
}

TEST_CASE("a rotation turns each pair by its angle", "[unit][nn]") {
  nn::rope_table<double> const table(8, 4, 100);
  std::vector<double> x{1, 2, 3, 4};
  nn::rope_forward(nn::host{}, contiguous(x.data(), 1, 1, 1, 4), table, 5);
  double const fast = 5.0, slow = 5.0 / 10;  // base^(-2d/dim) = 1, 1/10
  CHECK(x[0] == Approx(1 * std::cos(fast) - 3 * std::sin(fast)));
  CHECK(x[2] == Approx(3 * std::cos(fast) + 1 * std::sin(fast)));
  CHECK(x[1] == Approx(2 * std::cos(slow) - 4 * std::sin(slow)));
  CHECK(x[3] == Approx(4 * std::cos(slow) + 2 * std::sin(slow)));
}

TEST_CASE("scores of rotated queries and keys depend on the distance alone", "[property][nn]") {
  nn::rope_table<double> const table(64, 16, 1e4);
  auto const score = [&](index_t query, index_t key) {
    auto q = random_values(1, 16), k = random_values(2, 16);
    nn::rope_forward(nn::host{}, contiguous(q.data(), 1, 1, 1, 16), table, query);
    nn::rope_forward(nn::host{}, contiguous(k.data(), 1, 1, 1, 16), table, key);
    return nn_test::dot(q, k);
  };
  for (index_t const shift : {1, 20, 50}) CHECK(score(3 + shift, 7 + shift) == Approx(score(3, 7)).epsilon(1e-12));
}

TEST_CASE("the gradient of a rotation agrees with finite differences, on a strided view", "[property][nn]") {
  nn::rope_table<double> const table(16, 6, 50);
  // memory [batch, length, heads, dim], view [batch, heads, length, dim]
  index_t const batch = 2, heads = 2, length = 3, dim = 6, size = batch * heads * length * dim;
  auto const seen = [&](std::vector<double>& x) {
    return strided(x.data(), std::array<index_t, 4>{batch, heads, length, dim},
                   std::array<index_t, 4>{length * heads * dim, dim, heads * dim, 1});
  };
  auto x = random_values(1, size);
  auto const dy = random_values(2, size);
  auto const loss = [&] {
    auto y = x;
    nn::rope_forward(nn::host{}, seen(y), table, 2);
    return nn_test::dot(y, dy);
  };
  auto dx = dy;
  nn::rope_backward(nn::host{}, seen(dx), table, 2);
  nn_test::require_gradient(x, dx, loss);
}

TEST_CASE("a rotation refuses positions and dims that its table lacks", "[unit][nn]") {
  CHECK_THROWS_AS(nn::rope_table<float>(4, 3, 1e4), value_error);
  CHECK_THROWS_AS(nn::rope_table<float>(0, 4, 1e4), value_error);
  CHECK_THROWS_AS(nn::rope_table<float>(4, 4, 0), value_error);
  nn::rope_table<float> const table(4, 4, 1e4);
  std::vector<float> x(32, 1.0f);
  CHECK_THROWS_AS(nn::rope_forward(nn::host{}, contiguous(x.data(), 1, 1, 5, 4), table), shape_error);
  CHECK_THROWS_AS(nn::rope_forward(nn::host{}, contiguous(x.data(), 1, 1, 2, 4), table, 3), shape_error);
  CHECK_THROWS_AS(nn::rope_forward(nn::host{}, contiguous(x.data(), 1, 1, 2, 8), table), shape_error);
  CHECK(x == std::vector<float>(32, 1.0f));
}

TEST_CASE("the gradients of SwiGLU agree with finite differences", "[property][nn]") {
  index_t const rows = 3, hidden = 19;  // whole SIMD batches and a rest
  auto both = random_values(1, rows * 2 * hidden, 2.0);
  auto const dy = random_values(2, rows * hidden);
  std::vector<double> y(rows * hidden), gradient(rows * 2 * hidden);
  auto const part = [&](std::vector<double>& x, index_t which) {
    return strided(x.data() + which * hidden, std::array<index_t, 2>{rows, hidden},
                   std::array<index_t, 2>{2 * hidden, 1});
  };
  auto const loss = [&] {
    nn::swiglu_forward(nn::host{}, part(both, 0), part(both, 1), contiguous(y.data(), rows, hidden));
    return nn_test::dot(y, dy);
  };
  nn::swiglu_backward(nn::host{}, part(both, 0), part(both, 1), contiguous(dy.data(), rows, hidden), part(gradient, 0),
                      part(gradient, 1));
  nn_test::require_gradient(both, gradient, loss);
}

TEST_CASE("SwiGLU stays finite for huge gates, and agrees with its definition in float", "[unit][nn]") {
  std::vector<float> gate{-1e30f, -200, -100, -90, -80, -5, -1e-3f, 0, 1e-3f, 1, 5, 80, 90, 100, 200, 1e30f, -0.3f};
  std::vector<float> const up(gate.size(), 1.0f);
  std::vector<float> y(gate.size());
  index_t const n = std::ssize(gate);
  nn::swiglu_forward(nn::host{}, contiguous(gate.data(), 1, n), contiguous(up.data(), 1, n),
                     contiguous(y.data(), 1, n));
  for (std::size_t i = 0; i < gate.size(); ++i) {
    double const g = gate[i], expected = g / (1 + std::exp(-g));
    CAPTURE(g);
    CHECK(std::abs(y[i] - expected) <= 8 * std::numeric_limits<float>::epsilon() * std::abs(expected) + 1e-35);
  }
}

TEST_CASE("layers have the same bits for any number of threads", "[property][nn]") {
  index_t const rows = 300, dim = 200;
  auto const x = random_values<float>(1, rows * dim), dy = random_values<float>(2, rows * dim),
             w = random_values<float>(3, dim);
  std::vector<int> tokens(rows);
  for (index_t i = 0; i < rows; ++i) tokens[i] = static_cast<int>(i * 7 % 5);
  auto const vx = contiguous(x.data(), rows, dim), vdy = contiguous(dy.data(), rows, dim);
  require_same_bits([&] {
    std::vector<float> table(5 * dim);
    nn::embedding_backward(nn::host{}, tokens, vdy, contiguous(table.data(), 5, dim));
    return table;
  });
  require_same_bits([&] {
    std::vector<float> y(rows * dim), r(rows), dx(rows * dim), dw(dim);
    nn::rms_norm_forward(nn::host{}, vx, w, 1e-5, contiguous(y.data(), rows, dim), std::span(r));
    nn::rms_norm_backward(nn::host{}, vx, w, r, vdy, contiguous(dx.data(), rows, dim), std::span(dw));
    y.insert(y.end(), dx.begin(), dx.end());
    y.insert(y.end(), dw.begin(), dw.end());
    return y;
  });
  require_same_bits([&] {
    std::vector<float> y(rows * dim);
    nn::swiglu_forward(nn::host{}, vx, vdy, contiguous(y.data(), rows, dim));
    return y;
  });
}

}  // namespace basin
