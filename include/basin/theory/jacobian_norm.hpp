// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Norms of the Jacobian J = dw / ds of a row of weights, from its diagonal and outer products; J is never built.

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "basin/concepts/jacobian.hpp"
#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/row_stages.hpp"
#include "basin/core/random.hpp"

namespace basin::theory {

namespace detail {

/// J = diag - sum_r carry_r outer_r^T of one row, as an operator.
template <class Terms>
struct jacobian_operator {
  std::vector<Terms> terms;

  /// y = J x, or y = J^T x with carry and outer exchanged.
  void apply(std::vector<double> const& x, std::vector<double>& y, decltype(&Terms::carry) left,
             decltype(&Terms::carry) right) const {
    for (std::size_t j = 0; j < x.size(); ++j) y[j] = terms[j].diag * x[j];
    for (std::size_t r = 0; r < Terms::rank; ++r) {
      double product = 0;
      for (std::size_t k = 0; k < x.size(); ++k) product += (terms[k].*right)[r] * x[k];
      for (std::size_t j = 0; j < x.size(); ++j) y[j] -= (terms[j].*left)[r] * product;
    }
  }
  void forward(std::vector<double> const& x, std::vector<double>& y) const {
    apply(x, y, &Terms::carry, &Terms::outer);
  }
  void transposed(std::vector<double> const& x, std::vector<double>& y) const {
    apply(x, y, &Terms::outer, &Terms::carry);
  }
};

template <class N>
auto jacobian_operator_of(N const& n, std::span<double const> scores, row_context<double> context) {
  auto const row = fit_row(n, scores, context);
  jacobian_operator<jacobian_of<N>> j;
  for (double const s : scores)
    j.terms.push_back(s == -math::infinity ? jacobian_of<N>{0.0} : as_low_rank(n.jacobian(row, s, weigh(n, row, s))));
  return j;
}

inline double norm_of(std::vector<double> const& x) {
  double sum = 0;
  for (double const v : x) sum += v * v;
  return std::sqrt(sum);
}

/// Subtracts from x its components along an orthonormal basis, twice because of rounding. Scales the rest to length 1
/// and returns its norm from before the scaling.
inline double orthonormalize(std::vector<double>& x, std::vector<std::vector<double>> const& basis) {
  for (int pass = 0; pass < 2; ++pass)
    for (auto const& b : basis) {
      double product = 0;
      for (std::size_t j = 0; j < x.size(); ++j) product += b[j] * x[j];
      for (std::size_t j = 0; j < x.size(); ++j) x[j] -= product * b[j];
    }
  double const norm = norm_of(x);
  if (norm > 0)
    for (double& v : x) v /= norm;
  return norm;
}

/// The largest singular value of the upper bidiagonal matrix with diagonal a and superdiagonal b, by bisection on the
/// number of eigenvalues of B^T B above a shift (Sturm sequence).
inline double largest_singular_value(std::vector<double> const& a, std::vector<double> const& b) {
  double low = 0, high = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const right = i < b.size() ? std::fabs(b[i]) : 0, left = i > 0 ? std::fabs(b[i - 1]) : 0;
    high = std::max(high, std::fabs(a[i]) + right + left);
  }
  for (int step = 0; step < 200 && low < high; ++step) {
    double const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    bool above = false;                                          // is an eigenvalue of B^T B above middle^2?
    double pivot = 1;
    for (std::size_t i = 0; i < a.size() && !above; ++i) {
      double const side = i > 0 ? a[i - 1] * b[i - 1] : 0, entry = a[i] * a[i] + (i > 0 ? b[i - 1] * b[i - 1] : 0);
      pivot = entry - middle * middle - (i > 0 ? side * side / pivot : 0);
      above = pivot >= 0;
    }
    (above ? low : high) = middle;
  }
  return high;
}

}  // namespace detail

/// The spectral norm |J|_2 of the Jacobian of a row.
///
/// Source    Golub & Kahan 1965 (Lanczos bidiagonalisation), with full reorthogonalisation
/// Shapes    scores [keys]; -inf for a hidden key
/// Precision relative error about 1e-12; a dense SVD agrees (parity/normalizer_fixtures.test.cpp)
/// Edges     0 for an empty row and for a Jacobian of zeros
/// Cost      O(n) for the products and O(n k) for the orthogonalisation of iteration k; at most 64 iterations
/// Determinism run_to_run
template <differentiable_normalizer N>
double jacobian_norm(N const& n, std::span<double const> scores, row_context<double> context) {
  auto const j = detail::jacobian_operator_of(n, scores, context);
  std::size_t const size = scores.size();
  std::vector<std::vector<double>> right, left;
  std::vector<double> a, b, x(size), y(size);
  philox rng{1};
  for (double& v : x) v = normal(rng);
  if (!(detail::orthonormalize(x, right) > 0)) return 0;
  double norm = 0;
  for (int step = 0; step < 64; ++step) {
    right.push_back(x);
    j.forward(right.back(), y);
    a.push_back(detail::orthonormalize(y, left));
    left.push_back(y);
    double const now = detail::largest_singular_value(a, b);
    bool const settled = step > 2 && now - norm <= 1e-14 * now;
    norm = now;
    if (settled || right.size() == size) break;
    j.transposed(left.back(), x);
    double const next = detail::orthonormalize(x, right);
    if (!(next > 1e-15 * norm)) break;                           // the Krylov space is exhausted
    b.push_back(next);
  }
  return norm;
}

/// The Frobenius norm |J|_F of the Jacobian of a row, in closed form.
///
/// Shapes    scores [keys]; -inf for a hidden key
/// Cost      O(n R^2) for rank R
template <differentiable_normalizer N>
double jacobian_frobenius_norm(N const& n, std::span<double const> scores, row_context<double> context) {
  auto const j = detail::jacobian_operator_of(n, scores, context);
  constexpr std::size_t rank = jacobian_of<N>::rank;
  double squares = 0, carried[rank + 1][rank + 1] = {}, outer[rank + 1][rank + 1] = {};
  for (auto const& t : j.terms) {
    double product = 0;
    for (std::size_t r = 0; r < rank; ++r) {
      product += t.carry[r] * t.outer[r];
      for (std::size_t s = 0; s < rank; ++s) {
        carried[r][s] += t.carry[r] * t.carry[s];
        outer[r][s] += t.outer[r] * t.outer[s];
      }
    }
    squares += t.diag * t.diag - 2 * t.diag * product;
  }
  for (std::size_t r = 0; r < rank; ++r)
    for (std::size_t s = 0; s < rank; ++s) squares += carried[r][s] * outer[r][s];
  return std::sqrt(std::max(0.0, squares));
}

}  // namespace basin::theory
