// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers nn/matmul.hpp and nn/linear.hpp
#include <omp.h>

#include <limits>

#include "basin/nn/linear.hpp"
#include "nn/gradients.hpp"

namespace basin {

using basin_test::Approx;
using nn_test::random_values;

namespace {

/// c = a b in double; `a` is [m, k] and `b` is [k, n]; each may be stored transposed.
template <class T>
std::vector<double> by_definition(view<T const, 2> a, view<T const, 2> b) {
  std::vector<double> c(static_cast<std::size_t>(a.extent(0) * b.extent(1)));
  for (index_t i = 0; i < a.extent(0); ++i)
    for (index_t j = 0; j < b.extent(1); ++j)
      for (index_t p = 0; p < a.extent(1); ++p)
        c[i * b.extent(1) + j] += static_cast<double>(a(i, p)) * static_cast<double>(b(p, j));
  return c;
}

enum class order { plain, transposed };

template <class T>
view<T const, 2> stored(std::vector<T> const& x, index_t rows, index_t columns, order how) {
  if (how == order::plain) return contiguous(x.data(), rows, columns);
  return nn::transposed(view<T const, 2>(contiguous(x.data(), columns, rows)));
}

}  // namespace

TEMPLATE_TEST_CASE("a product agrees with its definition for every orientation and size", "[unit][nn]", float, double) {
  auto const m = GENERATE(1, 3, 64, 65, 131);
  auto const k = GENERATE(1, 7, 128);
  auto const n = GENERATE(1, 5, 513);
  auto const order_a = GENERATE(order::plain, order::transposed), order_b = GENERATE(order::plain, order::transposed);
  CAPTURE(m, k, n, static_cast<int>(order_a), static_cast<int>(order_b));
  auto const a = random_values<TestType>(1, m * k), b = random_values<TestType>(2, k * n);
  auto const va = stored(a, m, k, order_a), vb = stored(b, k, n, order_b);
  auto const expected = by_definition(va, vb);
  // The error of a sum of k products of normal numbers is k eps times the sum of magnitudes, about k.
  double const tolerance = 4.0 * (k + 1) * (k + 1) * std::numeric_limits<TestType>::epsilon();

  std::vector<TestType> c(m * (n + 2), TestType(7));  // two columns of padding that must not change
  auto const vc = strided(c.data(), std::array<index_t, 2>{m, n}, std::array<index_t, 2>{n + 2, 1});
  nn::multiply(va, vb, vc);
  double worst = 0;
  for (index_t i = 0; i < m; ++i)
    for (index_t j = 0; j < n; ++j)
      worst = std::max(worst, std::abs(static_cast<double>(vc(i, j)) - expected[i * n + j]));
  CHECK(worst <= tolerance);
  nn::multiply(va, vb, vc, nn::update::add);
  worst = 0;
  for (index_t i = 0; i < m; ++i)
    for (index_t j = 0; j < n; ++j)
      worst = std::max(worst, std::abs(static_cast<double>(vc(i, j)) - 2 * expected[i * n + j]));
  CHECK(worst <= 2 * tolerance);
  for (index_t i = 0; i < m; ++i) CHECK((c[i * (n + 2) + n] == 7 && c[i * (n + 2) + n + 1] == 7));
}

TEST_CASE("a product has the same bits for any number of threads", "[property][nn]") {
  // The small products are a single tile; oneDNN by itself would split their sum over k among 2 or 8 threads.
  auto const [m, n, k] =
      GENERATE(table<index_t, index_t, index_t>({{1, 500, 400}, {66, 128, 400}, {1100, 700, 300}, {64, 64, 20000}}));
  auto const order_b = GENERATE(order::plain, order::transposed);
  auto const a = random_values<float>(1, m * k), b = random_values<float>(2, n * k);
  int const before = omp_get_max_threads();
  auto const product = [&, m = m, n = n, k = k](int threads) {
    omp_set_num_threads(threads);
    std::vector<float> c(m * n);
    nn::multiply(contiguous(a.data(), m, k), stored(b, k, n, order_b), contiguous(c.data(), m, n));
    CHECK(omp_get_max_threads() == threads);
    return c;
  };
  auto const one = product(1);
  INFO(m << " x " << k << " x " << n << ", b " << (order_b == order::transposed ? "transposed" : "plain"));
  CHECK(product(2) == one);
  CHECK(product(3) == one);
  CHECK(product(8) == one);
  omp_set_num_threads(before);
}

TEST_CASE("a product with an inner extent of 0 is zero, and adding it changes nothing", "[unit][nn]") {
  std::vector<float> c(6, 3.0f);
  float const* none = nullptr;
  nn::multiply(contiguous(none, 2, 0), contiguous(none, 0, 3), contiguous(c.data(), 2, 3), nn::update::add);
  CHECK(c == std::vector<float>(6, 3.0f));
  nn::multiply(contiguous(none, 2, 0), contiguous(none, 0, 3), contiguous(c.data(), 2, 3));
  CHECK(c == std::vector<float>(6, 0.0f));
}

TEST_CASE("a product refuses wrong shapes and strides, and writes nothing", "[unit][nn]") {
  std::vector<float> a(12, 1.0f), b(12, 1.0f), c(16, 5.0f);
  auto const va = contiguous(a.data(), 3, 4), vb = contiguous(b.data(), 4, 3), vc = contiguous(c.data(), 3, 3);
  CHECK_THROWS_AS(nn::multiply(va, va, vc), shape_error);
  CHECK_THROWS_AS(nn::multiply(va, vb, contiguous(c.data(), 4, 3)), shape_error);
  CHECK_THROWS_AS(nn::multiply(va, vb, contiguous(c.data(), 3, 4)), shape_error);
  CHECK_THROWS_AS(nn::multiply(va, vb, nn::transposed(vc)), shape_error);
  auto const spread = strided(a.data(), std::array<index_t, 2>{2, 2}, std::array<index_t, 2>{6, 2});
  auto const overlapping = strided(a.data(), std::array<index_t, 2>{3, 4}, std::array<index_t, 2>{2, 1});
  auto const two = contiguous(b.data(), 2, 2);
  CHECK_THROWS_AS(nn::multiply(spread, two, contiguous(c.data(), 2, 2)), shape_error);
  CHECK_THROWS_AS(nn::multiply(overlapping, vb, vc), shape_error);
  CHECK(c == std::vector<float>(16, 5.0f));
}

TEST_CASE("the gradients of a linear map agree with finite differences", "[property][nn]") {
  index_t const rows = 5, in = 4, out = 3;
  auto x = random_values(1, rows * in), w = random_values(2, out * in);
  auto const dy = random_values(3, rows * out);
  std::vector<double> y(rows * out), dx(rows * in), dw(out * in);
  auto const vx = contiguous(x.data(), rows, in), vw = contiguous(w.data(), out, in);
  auto const loss = [&] {
    nn::linear_forward(nn::host{}, vx, vw, contiguous(y.data(), rows, out));
    return nn_test::dot(y, dy);
  };
  nn::linear_backward_input(nn::host{}, contiguous(dy.data(), rows, out), vw, contiguous(dx.data(), rows, in));
  nn::linear_backward_weight(nn::host{}, vx, contiguous(dy.data(), rows, out), contiguous(dw.data(), out, in));
  nn_test::require_gradient(x, dx, loss);
  nn_test::require_gradient(w, dw, loss);
  auto const once = dw;
  nn::linear_backward_weight(nn::host{}, vx, contiguous(dy.data(), rows, out), contiguous(dw.data(), out, in));
  for (std::size_t i = 0; i < dw.size(); ++i) CHECK(dw[i] == Approx(2 * once[i]));
}

}  // namespace basin
