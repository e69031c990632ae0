// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers every file of normalize/: diag, outer and carry against finite differences of the weights, in double.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "basin/theory/jacobian_norm.hpp"
#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"
#include "support/tolerance.hpp"

namespace basin_test {

namespace {

/// Which weights are positive. Where this changes between s - h and s + h, no derivative exists.
std::vector<bool> support_of(std::vector<double> const& weights) {
  std::vector<bool> support;
  for (double const w : weights) support.push_back(w > 0);
  return support;
}

/// d w_j / d s_k = diag_k [j = k] - sum_r outer_kr carry_jr.
template <class J>
double derivative(std::vector<J> const& terms, std::size_t j, std::size_t k) {
  double d = j == k ? terms[k].diag : 0.0;
  for (std::size_t r = 0; r < J::rank; ++r) d -= terms[k].outer[r] * terms[j].carry[r];
  return d;
}

/// The Jacobian of a fitted row, key by key.
template <class N>
auto terms_of(N const& n, basin::row_of<N> const& row, std::vector<double> const& scores) {
  std::vector<basin::jacobian_of<N>> terms;
  for (double const s : scores) terms.push_back(basin::as_low_rank(n.jacobian(row, s, basin::weigh(n, row, s))));
  return terms;
}

/// The largest singular value of a dense matrix, given by its columns, by one-sided Jacobi rotations (Hestenes 1958).
double largest_singular_value(std::vector<std::vector<double>> columns) {
  auto const product = [](auto const& a, auto const& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  for (int sweep = 0; sweep < 30; ++sweep)
    for (std::size_t p = 0; p < columns.size(); ++p)
      for (std::size_t q = p + 1; q < columns.size(); ++q) {
        double const a = product(columns[p], columns[p]), b = product(columns[q], columns[q]),
                     c = product(columns[p], columns[q]);
        if (c == 0) continue;
        double const angle = 0.5 * std::atan2(2 * c, a - b), cosine = std::cos(angle), sine = std::sin(angle);
        for (std::size_t j = 0; j < columns[p].size(); ++j) {
          double const x = columns[p][j], y = columns[q][j];
          columns[p][j] = cosine * x + sine * y, columns[q][j] = cosine * y - sine * x;
        }
      }
  double most = 0;
  for (auto const& column : columns) most = std::max(most, std::sqrt(product(column, column)));
  return most;
}

/// Compares column by column and returns the number of compared columns.
template <class Case>
int compare_jacobian(Case const& c, std::vector<double> const& scores) {
  auto const at = context_of<double>(scores.size());
  auto const row = basin::fit_row(c.normalize, std::span<double const>(scores), at);
  auto const terms = terms_of(c.normalize, row, scores);
  double const h = 0x1p-17;                                      // error: h^2 |w'''| / 6 + eps / h
  int compared = 0;
  for (std::size_t k = 0; k < scores.size(); ++k) {
    auto up = scores, down = scores;
    up[k] += h;
    down[k] -= h;
    auto const above = weights_of(c.normalize, up, at), below = weights_of(c.normalize, down, at);
    if (support_of(above) != support_of(below)) continue;
    ++compared;
    for (std::size_t j = 0; j < scores.size(); ++j) {
      CAPTURE(j, k);
      double const exact = derivative(terms, j, k);
      double const steep = 4 * std::log(static_cast<double>(scores.size()) + 2);  // slope of the scores, <= 1/T, c
      double const tolerance = h * h * steep * steep * steep + 64 * std::numeric_limits<double>::epsilon() / h;
      CHECK(std::fabs((above[j] - below[j]) / (2 * h) - exact) <= tolerance);
    }
  }
  return compared;
}

}  // namespace

TEST_CASE("diag, outer and carry are the derivative of the weights", "[property][normalizer]") {
  for_each_case(all_normalizers(), [](auto const& c) {
    int compared = 0;
    for (std::size_t const n : {1u, 2u, 5u, 19u})
      for (std::uint64_t seed = 0; seed < 6; ++seed) {
        CAPTURE(c.name, n, seed);
        compared += compare_jacobian(c, row_of_scores(row_kind::smooth, seed + 7, n));
      }
    CAPTURE(c.name);
    CHECK(compared > 150);                                       // of 162; kinks are rare
  });
}

TEST_CASE("the Jacobian is right where all scores are equal", "[property][normalizer]") {
  for_each_case(softmax_family(), [](auto const& c) {
    CAPTURE(c.name);
    CHECK(compare_jacobian(c, std::vector<double>(6, 1.5)) == 6);
  });
  CHECK(compare_jacobian(normalizer_case{"sparsemax", basin::sparsemax{}}, std::vector<double>(6, 1.5)) == 6);
}

TEST_CASE("scores that tie for the maximum or the minimum share its derivative", "[property][normalizer]") {
  basin::self_adjusted const n{};
  std::vector<double> const scores{1.5, -2, 1.5, 0.25, -2, 1.5};
  auto const terms = terms_of(n, basin::fit_row(n, std::span<double const>(scores), context_of<double>(6)), scores);
  for (double const moved : {1.5, -2.0}) {                       // moves all scores of this value together: no kink
    double const h = 0x1p-17;
    auto up = scores, down = scores;
    for (std::size_t k = 0; k < scores.size(); ++k)
      if (scores[k] == moved) up[k] += h, down[k] -= h;
    auto const above = weights_of(n, up), below = weights_of(n, down);
    for (std::size_t j = 0; j < scores.size(); ++j) {
      double along = 0;
      for (std::size_t k = 0; k < scores.size(); ++k)
        if (scores[k] == moved) along += derivative(terms, j, k);
      CAPTURE(moved, j);
      CHECK(std::fabs((above[j] - below[j]) / (2 * h) - along) <= 1e-8);  // h^2 |w'''| / 6 + eps / h
    }
  }
  CHECK(terms[0].outer[0] == terms[2].outer[0]);
  CHECK(terms[1].outer[1] == terms[4].outer[1]);
}

TEST_CASE("the norm of a Jacobian from its low-rank form is that of the dense matrix, for every normalizer",
          "[property][theory]") {
  for_each_case(all_normalizers(), [](auto const& c) {
    for (std::size_t const n : {1u, 2u, 12u})
      for (std::uint64_t seed = 0; seed < 4; ++seed) {
        auto const scores = row_of_scores(row_kind::smooth, seed + 21, n);
        auto const at = context_of<double>(n);
        auto const terms =
            terms_of(c.normalize, basin::fit_row(c.normalize, std::span<double const>(scores), at), scores);
        std::vector<std::vector<double>> columns(n, std::vector<double>(n));
        double squares = 0;
        for (std::size_t k = 0; k < n; ++k)
          for (std::size_t j = 0; j < n; ++j)
            columns[k][j] = derivative(terms, j, k), squares += columns[k][j] * columns[k][j];
        double const size = std::sqrt(squares);
        CAPTURE(c.name, n, seed);
        CHECK(std::fabs(basin::theory::jacobian_norm(c.normalize, std::span<double const>(scores), at) -
                        largest_singular_value(columns)) <= 1e-12 * (1 + size));
        // The tolerance is that of the root of a difference.
        CHECK(std::fabs(basin::theory::jacobian_frobenius_norm(c.normalize, std::span<double const>(scores), at) -
                        size) <= 1e-7 * (1 + size));
      }
  });
}

/// Compares the columns `kinks` with one-sided differences from below, where the weights are smooth.
template <class N>
void compare_from_below(N const& n, std::vector<double> const& scores, std::vector<std::size_t> const& kinks) {
  auto const terms =
      terms_of(n, basin::fit_row(n, std::span<double const>(scores), context_of<double>(scores.size())), scores);
  double const h = 0x1p-26;
  for (std::size_t const k : kinks) {
    auto down = scores;
    down[k] -= h;
    auto const here = weights_of(n, scores), below = weights_of(n, down);
    for (std::size_t j = 0; j < scores.size(); ++j) {
      CAPTURE(j, k);
      CHECK(std::fabs((here[j] - below[j]) / h - derivative(terms, j, k)) <= 1e-7);  // h |w''| / 2 + 2 eps / h
    }
  }
}

TEST_CASE("at a kink the derivative is that of the flat side", "[property][normalizer]") {
  std::vector<double> const scores{0, 1, -0.5, 0};
  compare_from_below(basin::relu{}, scores, {0, 1, 2, 3});
  compare_from_below(basin::relu{0.5}, scores, {0, 1, 2, 3});
  compare_from_below(basin::squared_relu{}, scores, {0, 1, 2, 3});
  compare_from_below(basin::self_adjusted{}, {-2, 0, -0.5}, {0, 1, 2});                       // b = 0 here and below
}

TEST_CASE("at a kink without a flat side the derivative is 0", "[unit][normalizer]") {
  std::vector<double> const scores{0, 1, -0.5}, rising{0, 1, 0.5}, zeros(3, 0.0);
  auto const of = [](auto const& n, std::vector<double> const& s) {
    return terms_of(n, basin::fit_row(n, std::span<double const>(s), context_of<double>(s.size())), s);
  };
  auto const picked = of(basin::softpick{}, scores);
  CHECK(picked[0].diag == 0);
  CHECK(picked[0].outer[0] == 0);
  CHECK(of(basin::self_adjusted{}, rising)[0].outer[1] == 0);    // the minimum a = 0 is at a kink as well
  auto const even = of(basin::self_adjusted{}, zeros);           // equal to softmax, and so is its Jacobian
  auto const softmax = of(basin::softmax{}, zeros);
  for (std::size_t j = 0; j < 3; ++j)
    for (std::size_t k = 0; k < 3; ++k) CHECK(derivative(even, j, k) == derivative(softmax, j, k));
}

TEST_CASE("the score gradients of a shift-invariant normalizer sum to 0 over a row", "[property][normalizer]") {
  for_each_case(all_normalizers(), [](auto const& c) {
    if (c.shifted == shift::matters) return;
    auto const scores = row_of_scores(row_kind::smooth, 3, 40);
    auto const row = basin::fit_row(c.normalize, std::span<double const>(scores), context_of<double>(40));
    splitmix rng{11};
    std::vector<double> dw(40), ds(40);
    for (double& x : dw) x = normal_number(rng);
    auto const terms = terms_of(c.normalize, row, scores);
    for (std::size_t k = 0; k < 40; ++k)
      for (std::size_t j = 0; j < 40; ++j) ds[k] += derivative(terms, j, k) * dw[j];
    CAPTURE(c.name);
    CHECK(std::fabs(sum_of(ds)) <= 40 * 64 * std::numeric_limits<double>::epsilon());  // 40 terms below 16 in size
  });
}

TEST_CASE("a score of -inf has no gradient and contributes none", "[property][normalizer]") {
  for_each_case(all_normalizers(), [](auto const& c) {
    std::vector<double> const scores{1.0, -inf, 0.5, -inf};
    auto const row = basin::fit_row(c.normalize, std::span<double const>(scores), context_of<double>(4));
    auto const t = basin::as_low_rank(c.normalize.jacobian(row, -inf, basin::weigh(c.normalize, row, -inf)));
    CAPTURE(c.name);
    if constexpr (basin::has_terms<decltype(c.normalize)>) {
      CHECK(t.diag == 0);
      for (double const outer : t.outer) CHECK(outer == 0);
    }
    if constexpr (!basin::fits_rows<decltype(c.normalize)>)
      for (double const carry : t.carry) CHECK(carry == 0);
    std::vector<double> const seen{1.0, 0.5};
    auto const without = basin::fit_row(c.normalize, std::span<double const>(seen), context_of<double>(4));
    for (double const s : seen) {
      auto const here = basin::as_low_rank(c.normalize.jacobian(row, s, basin::weigh(c.normalize, row, s)));
      auto const alone = basin::as_low_rank(c.normalize.jacobian(without, s, basin::weigh(c.normalize, without, s)));
      // Not bit for bit: compilers may fuse multiply-adds.
      auto const same = [](double a, double b) { return std::fabs(a - b) <= 8 * eps_of<double> * (1 + std::fabs(b)); };
      CHECK(same(here.diag, alone.diag));
      for (std::size_t r = 0; r < here.rank; ++r)
        CHECK((same(here.outer[r], alone.outer[r]) && same(here.carry[r], alone.carry[r])));
    }
  });
}

}  // namespace basin_test
