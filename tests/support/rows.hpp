// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One row of scores and a normalizer.

#include <cmath>
#include <span>
#include <vector>

#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/row_stages.hpp"

namespace basin_test {

/// The context of the last query, to which `visible` keys are visible.
template <class T>
basin::row_context<T> context_of(std::size_t visible) {
  return {0, 0, T(static_cast<double>(visible) - 1), T(static_cast<double>(visible))};
}

/// The weights of a row, by fit_row and weigh.
template <class N, class T>
std::vector<T> weights_of(N const& n, std::vector<T> const& scores, basin::row_context<T> context) {
  auto const row = basin::fit_row(n, std::span<T const>(scores), context);
  std::vector<T> weights;
  for (T const s : scores) weights.push_back(basin::weigh(n, row, s));
  return weights;
}
template <class N, class T>
std::vector<T> weights_of(N const& n, std::vector<T> const& scores) {
  return weights_of(n, scores, context_of<T>(scores.size()));
}

/// The number of passes of a row's search; 1000 if it does not end.
template <class N, class T>
int sweeps_of(N const& n, std::vector<T> const& scores) {
  auto row = basin::start_row(n, context_of<T>(scores.size()));
  auto const pass = [&](auto const& step) {
    for (T const s : scores) step(row, s);
  };
  int sweeps = 0;
  basin::measure_scores(n, pass);
  basin::search_thresholds(
      n, [&] { basin::begin_search(n, row); }, pass, [&] { return ++sweeps < 1000 && n.next(row); });
  return sweeps;
}

template <class T>
double sum_of(std::vector<T> const& x) {
  double sum = 0;
  for (T const v : x) sum += static_cast<double>(v);
  return sum;
}

/// max_j |a_j - b_j|; a NaN in only one of them counts as infinite.
template <class T, class A, class U, class B>
double distance(std::vector<T, A> const& a, std::vector<U, B> const& b) {
  double most = a.size() == b.size() ? 0 : HUGE_VAL;
  for (std::size_t j = 0; j < a.size() && j < b.size(); ++j) {
    double const x = static_cast<double>(a[j]), y = static_cast<double>(b[j]);
    if (std::isnan(x) && std::isnan(y)) continue;
    double const d = x == y ? 0 : std::fabs(x - y);
    most = std::isnan(d) ? HUGE_VAL : std::fmax(most, d);
  }
  return most;
}

}  // namespace basin_test
