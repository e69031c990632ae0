// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The limits of a normalizer of your own: bounds, decay, Jacobian, sensitivity, distances and N_s/N. The normalizer
// needs no further code for them.

#include <cstdio>
#include <vector>

#include "basin/basin.hpp"

/// Softplus attention: w_j = f(s_j) / sum_k f(s_k) with f(s) = log(1 + exp(s)).
struct softplus {
  template <class T>
  struct row {
    T sum;
  };
  template <class T>
  static T f(T s) { return s > T(30) ? s : std::log1p(std::exp(s)); }
  template <class T>
  static T slope(T s) { return T(1) / (T(1) + std::exp(-s)); }

  template <class T>
  row<T> fit(std::span<T const> scores, basin::row_context<T>) const {
    T sum = T(0);
    for (T const s : scores) sum += f(s);
    return {sum};
  }
  template <class T>
  T weight(row<T> const& r, T s) const { return f(s) / r.sum; }
  template <class T>
  basin::jacobian_terms<T> jacobian(row<T> const& r, T s, T w) const {
    return {slope(s) / r.sum, slope(s) / r.sum, w};
  }
};

int main() {
  namespace theory = basin::theory;
  softplus const mine{};
  bool fine = true;

  // Lemma 1: the bounds of a weight among L keys with scores from -4 to 4, and the decay of the largest weight with L.
  auto const range = theory::range_of([](double s) { return softplus::f(s); }, 4.0);
  std::vector<double> lengths, most;
  for (basin::index_t n = 1 << 12; n <= 1 << 20; n *= 4) {
    lengths.push_back(double(n));
    most.push_back(theory::spike_weight(mine, 4.0, n));
  }
  auto const bounds = theory::weight_bounds(range, 1024);
  std::printf("lemma 1 at L = 1024: every weight in [%.2e, %.2e]\n", bounds.lower, bounds.upper);
  std::printf("the largest weight falls as L^%.3f\n", theory::fit_power_law(lengths, most).slope);

  // Lemma 2: the norm of the Jacobian at one row, and its bounds.
  int const heads = 2, length = 96, dim = 16;
  basin::philox random(4);
  std::vector<double> scores(length), values, slopes;
  for (double& s : scores) {
    s = basin::normal(random);
    values.push_back(softplus::f(s));
    slopes.push_back(softplus::slope(s));
  }
  basin::row_context<double> const last{0, 0, length - 1.0, double(length)};
  double const norm = theory::jacobian_norm(mine, std::span<double const>(scores), last);
  auto const lemma = theory::lemma_2(values, slopes);
  std::printf("Jacobian of a row: norm %.4f <= Frobenius %.4f <= %.4f <= %.4f\n", norm, lemma.frobenius, lemma.slopes,
              lemma.extremes);
  fine = fine && norm <= lemma.frobenius * (1 + 1e-9) && lemma.slopes <= lemma.extremes;

  // Observers compute everything else during a call of attention, here on random queries, keys and tokens.
  std::vector<float> q(heads * length * dim), k(q.size()), v(q.size()), out(q.size());
  std::vector<double> tokens(length * dim), gram(length * length);
  for (auto* tensor : {&q, &k, &v})
    for (float& x : *tensor) x = float(basin::normal(random));
  for (double& x : tokens) x = basin::normal(random) + 0.5;
  theory::onto_sphere(basin::contiguous(tokens.data(), length, dim));
  theory::gram_of(basin::view<double const, 2>(basin::contiguous(tokens.data(), length, dim)),
                  basin::contiguous(gram.data(), length, length));
  basin::view<double const, 3> const text = basin::contiguous(gram.data(), 1, length, length);
  std::vector<basin::index_t> const counts{1, 8, 32};
  std::vector<double> const temperatures{0.1, 1.0}, steps{1e-3};
  std::vector<double> far(9 * 3 * heads * length), apart(7 * 3 * heads * length), steep(2 * heads * length);
  theory::distances<double> const distances{text, counts, basin::contiguous(far.data(), 9, 3, 1, heads, length)};
  theory::told_apart_shares<double> const shares{text, counts, {1, 0, dim},
                                                 basin::contiguous(apart.data(), 7, 3, 1, heads, length)};
  theory::sensitivity<softplus> const gains{mine, temperatures, steps, 1,
                                            basin::contiguous(steep.data(), 2, 1, 1, heads, length)};
  auto const view = [&](std::vector<float>& x) { return basin::contiguous(x.data(), 1, heads, length, dim); };
  basin::cpu::forward(basin::attention<>{}.with(mine).with(basin::together(distances, shares, gains)), view(q), view(k),
                      view(v), view(out));
  for (int n = 0; n < 3; ++n) {
    auto const row = [&](theory::distance_figure f) {
      return distances.figures(basin::index_t(f), n, 0, 0, length - 1);
    };
    double const d = row(theory::distance_figure::a), bound = row(theory::distance_figure::bound);
    fine = fine && d <= bound * (1 + 1e-6);
    std::printf("N = %2d: distance %6.3f <= %6.3f, expected %.3f; distinguishable %.2f\n", int(counts[n]), d, bound,
                row(theory::distance_figure::expected), shares.figures(0, n, 0, 0, length - 1));
  }
  std::printf("g(T, 0.001) at T = 0.1: %.4f, at T = 1: %.4f\n", gains.figures(0, 0, 0, 0, length - 1),
              gains.figures(1, 0, 0, 0, length - 1));
  return fine ? 0 : 1;
}
