// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A fused observer of your own: a reduction over the weights of every row, computed while attention runs. No weight is
// stored, at any length.

#include <cmath>
#include <cstdio>
#include <vector>

#include "basin/basin.hpp"

/// The number of keys that a row effectively attends to: 1 / sum_j w_ij^2, from 1 (one key) to Nk (all alike).
struct effective_keys {
  basin::view<double, 3> count{};                                // [batch, heads, queries]

  template <class T>
  struct row {
    T squares = T(0);                                            // of terms t; a weight is factor * t
  };
  template <class T>
  void absorb(row<T>& r, basin::seen_term<T> seen) const { r.squares = r.squares + seen.term * seen.term; }
  template <class T>
  void rescale(row<T>& r, T by) const { r.squares = r.squares * by * by; }
  template <class T>
  void merge(row<T>& into, row<T> const& from) const { into.squares = into.squares + from.squares; }
  template <class T>
  T report(row<T> const& r, T factor) const {
    return basin::math::select(r.squares > T(0), T(1) / (factor * factor * r.squares), T(0));  // 0 without keys
  }
  void sees_row(basin::row_at at, double value) const { count(at.batch, at.head, at.query) = value; }
};
static_assert(basin::row_observer<effective_keys>);

int main() {
  int const heads = 2, length = 4096, dim = 32;
  std::vector<float> q(heads * length * dim), k(q.size()), v(q.size()), out(q.size()), plain(q.size());
  basin::philox random(7);
  for (auto* tensor : {&q, &k, &v})
    for (float& x : *tensor) x = static_cast<float>(basin::normal(random));
  auto const view = [&](std::vector<float>& x) { return basin::contiguous(x.data(), 1, heads, length, dim); };

  std::vector<double> count(heads * length);
  auto const use = basin::attention<>{}.with(basin::causal{});
  auto const observed = use.with(effective_keys{basin::contiguous(count.data(), 1, heads, length)});
  basin::cpu::forward(observed, view(q), view(k), view(v), view(out));
  basin::cpu::forward(use, view(q), view(k), view(v), view(plain));
  std::printf("a row of 2 keys attends to %.2f, one of 64 to %.1f, one of %d to %.0f\n", count[1], count[63], length,
              count[length - 1]);

  // The same for the last row of head 0, from its weights in double precision.
  double sum = 0, squares = 0;
  for (int j = 0; j < length; ++j) {
    double dot = 0;
    for (int d = 0; d < dim; ++d) dot += double{q[(length - 1) * dim + d]} * k[j * dim + d];
    double const w = std::exp(dot / std::sqrt(double(dim)));
    sum += w, squares += w * w;
  }
  double const expected = sum * sum / squares;
  std::printf("the last by hand: %.0f; observing changed no bit of the output: %s\n", expected,
              out == plain ? "yes" : "no");
  return std::abs(count[length - 1] / expected - 1) < 1e-4 && out == plain ? 0 : 1;
}
