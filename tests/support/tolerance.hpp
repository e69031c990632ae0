// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// All tolerances of the property and parity tests, with their derivations. Each is a bound from the standard model of
// floating point, fl(a op b) = (a op b)(1 + e), |e| <= eps; none is tuned.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "basin/core/problem.hpp"

namespace basin_test {

template <class T>
inline constexpr double eps_of = static_cast<double>(std::numeric_limits<T>::epsilon());

/// How many additions a sum of n numbers takes at most: engines sum up to 1024 in one accumulator, and join these sums
/// in groups of 32 (cpu/detail/sum_tree.hpp); for gradients of keys, up to 2048 queries in one piece, and the pieces
/// one after the other.
inline double accumulated(double n) { return n <= 2048 ? n : 2048 + 32 + n / 32768; }

/// The difference of two computations of the weights of one row of n scores of absolute value <= magnitude (times
/// `slope` = scale / temperature), both in T.
///
/// A score times slope, minus the maximum, has an error of 2 eps * slope * magnitude. An exponential turns it into a
/// relative error of the same size, which occurs twice (in the unnormalised weight and in the sum). Sums of n numbers:
/// n eps. exp, division, product: 8 eps. Weights are at most 1. A threshold tau is a mean of n scores; its error is
/// that of the scores plus n eps.
template <class T>
double weight_tolerance(std::size_t n, double magnitude, double slope = 1) {
  return (4 * slope * magnitude + static_cast<double>(n) + 8) * eps_of<T>;
}

/// The scale of a relative error of weights: the largest weight of a row, or 1.
template <class T>
double size_of(std::vector<T> const& weights) {
  double size = 1;
  for (T const w : weights) size = std::max(size, std::fabs(static_cast<double>(w)));
  return size;
}

/// |sum of n weights - 1|: each weight has a relative error of (n + 8) eps.
template <class T>
double mass_tolerance(std::size_t n) {
  return (static_cast<double>(n) + 8) * eps_of<T>;
}

/// Sizes that bound a whole call: Euclidean norms of rows, and the largest elements. `steep` bounds the factor that a
/// normalizer applies to scores (1 / temperature, a length scale). `support` is 1 if errors of weights are relative to
/// the weights (exponentials), and the number of keys if they are absolute (thresholds). `bend` bounds the other parts
/// of a score beside the product: a bias, or the argument of a tanh, which is at least the tanh.
struct call_magnitudes {
  double q_norm, k_norm, v_norm, dout_norm;
  double q, k, v, dout;
  double steep = 1, support = 1;
  double bend = 0;
};

struct call_tolerances {
  double out, received, max_weight, entropy, dq, dk, dv;
};

/// Bounds of the difference between a call in T and the same call in exact arithmetic. u = eps / 2 is the rounding
/// error of one operation.
///
/// score     a sum of D products below scale |q| |k|: (D + 4) u scale |q| |k|; a tanh, or a bias and its sum: 16 u of
///           their size `bend`; times `steep`
/// weight    the error of an exponential of that, twice (numerator and sum); sum of Nk numbers, exp, division:
///           (Nk + 16) u; times `support` = Nk if it is absolute, so that sum_j |error of w_j| <= weight. Here and
///           below a sum of n numbers costs accumulated(n) u where n is written
/// out       sum_j w_j v_j, sum_j w_j <= 1: (weight + (Nk + 4) u) max |v|
/// received  sums over queries of errors below `weight`; summed in T in a query tile: (Nq + 4) u of a sum of at most Nq
/// entropy   |x log x - y log y| <= e (1 + |log e|) for |x - y| = e, for Nk keys that share `weight`
/// dw        <do, v_j>: (Dv + 2) u |do| |v|; delta is their mean, plus errors of weights
/// ds        diag_j dw_j - outer_j delta, sum_j |diag_j| <= steep support: error `gradient`, size 2 |do| |v| steep
///           support
/// dq        scale sum_j ds_j k_j: (gradient + Nk u size) max |k|; dk: the same, summed over all rows that read the key
/// dv        sum_i w_ij do_i over the same rows
template <class T>
call_tolerances tolerances_of(basin::problem const& p, call_magnitudes const& m) {
  double const u = eps_of<T> / 2, scale = 1 / std::sqrt(static_cast<double>(p.dim));
  double const keys = static_cast<double>(p.keys), queries = static_cast<double>(p.queries), sum = accumulated(keys);
  double const rows = queries * static_cast<double>(p.heads / p.kv_heads), sum_of_rows = accumulated(rows);
  double const score = ((static_cast<double>(p.dim) + 4) * scale * m.q_norm * m.k_norm + 16 * m.bend) * u * m.steep;
  double const weight = (2 * score + (sum + 16) * u) * m.support;
  double const size = 2 * m.dout_norm * m.v_norm * m.steep * m.support;
  double const gradient = size * (2 * weight + (2 * static_cast<double>(p.value_dim) + sum + 8) * u);
  double const shared = std::max(weight / keys, 1e-300);
  return {.out = (weight + (sum + 4) * u) * m.v,
          .received = queries * (weight + (accumulated(queries) + 4) * u),
          .max_weight = weight,
          .entropy = keys * shared * (1 + std::fabs(std::log(shared))) + sum * u * std::log(keys + 1),
          .dq = scale * m.k * (gradient + sum * u * size),
          .dk = scale * m.q * rows * (gradient + sum_of_rows * u * size),
          .dv = m.dout * rows * (weight + (sum_of_rows + 4) * u)};
}

/// The error of a result, relative to its Euclidean norm, if its summands were rounded `roundings` times to 16 bits,
/// each time by a relative error of at most `half_step`. Rounding errors of random numbers grow with the square root of
/// their number, like the sum itself, so a sum has the relative error of a summand. The factor 2 is for sums whose
/// summands cancel more than their errors. Roundings of out: weights, result; of dv: weights, result; of dq and dk:
/// gradients of scores, result, and one more each for the subtraction of delta.
inline double norm_tolerance_of_rounded(double half_step, int roundings) { return 2 * roundings * half_step; }

}  // namespace basin_test
