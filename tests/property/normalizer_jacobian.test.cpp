// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers every file of normalize/: diag, outer and carry against finite differences of the weights, in double.
#include <algorithm>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"

namespace basin_test {

namespace {

/// Which weights are positive: where this changes between s - h and s + h there is no derivative to compare with.
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

/// Compares column by column. Gives the number of columns that were compared.
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
      double const steep = 4 * std::log(static_cast<double>(scores.size()) + 2);             // slope of the scores, <= 1/T, c
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
    CHECK(compared > 150);                                       // of 162: kinks are rare
  });
}

TEST_CASE("equal scores have the derivative of equal scores", "[property][normalizer]") {
  for_each_case(softmax_family(), [](auto const& c) {
    CAPTURE(c.name);
    CHECK(compare_jacobian(c, std::vector<double>(6, 1.5)) == 6);
  });
  CHECK(compare_jacobian(normalizer_case{"sparsemax", basin::sparsemax{}}, std::vector<double>(6, 1.5)) == 6);
}

TEST_CASE("scores that share a maximum or a minimum share its derivative", "[property][normalizer]") {
  basin::self_adjusted const n{};
  std::vector<double> const scores{1.5, -2, 1.5, 0.25, -2, 1.5};
  auto const terms = terms_of(n, basin::fit_row(n, std::span<double const>(scores), context_of<double>(6)), scores);
  for (double const moved : {1.5, -2.0}) {                       // all of one value move together: there the row is smooth
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
      CHECK(std::fabs((above[j] - below[j]) / (2 * h) - along) <= 1e-8);                      // h^2 |w'''| / 6 + eps / h
    }
  }
  CHECK(terms[0].outer[0] == terms[2].outer[0]);
  CHECK(terms[1].outer[1] == terms[4].outer[1]);
}

TEST_CASE("a gradient through a row that promises shift invariance has no component along the shift", "[property][normalizer]") {
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
    CHECK(std::fabs(sum_of(ds)) <= 40 * 64 * std::numeric_limits<double>::epsilon());        // 40 terms below 16 in size
  });
}

TEST_CASE("a score of -inf has no gradient and gives none", "[property][normalizer]") {
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
  });
}

}  // namespace basin_test
