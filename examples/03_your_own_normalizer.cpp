// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A normalizer of your own: you write its equation and its Jacobian, the library does the rest.

#include <cstdio>
#include <vector>

#include "basin/basin.hpp"

/// Taylor softmax: w_j = f(s_j) / sum_k f(s_k) with f(s) = 1 + s + s^2/2, which is positive and needs no exponential.
struct taylor_softmax {
  template <class T>
  struct row {
    T sum;
  };
  template <class T>
  static T f(T s) { return T(1) + s + T(0.5) * s * s; }

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
    T const slope = (T(1) + s) / r.sum;                          // dw_i/ds_j = f'(s_j)/Z (1[i=j] - w_i)
    return {slope, slope, w};
  }
};
static_assert(basin::normalizer<taylor_softmax> && basin::differentiable_normalizer<taylor_softmax>);

int main() {
  int const batch = 1, heads = 2, length = 48, dim = 16;
  std::vector<float> q(heads * length * dim), k(q.size()), v(q.size()), out(q.size());
  std::vector<float> dq(q.size()), dk(q.size()), dv(q.size());
  basin::philox random(3);
  for (auto* tensor : {&q, &k, &v})
    for (float& x : *tensor) x = static_cast<float>(basin::normal(random));
  auto const view = [&](std::vector<float>& x) { return basin::contiguous(x.data(), batch, heads, length, dim); };

  std::vector<double> nats(heads * length), received(heads * length);
  auto const sums = basin::contiguous(received.data(), batch, heads, length);
  auto const use = basin::attention<>{}
                       .with(taylor_softmax{})
                       .with(basin::causal{})
                       .with(basin::together(basin::entropy{basin::contiguous(nats.data(), batch, heads, length)},
                                             basin::received_attention{sums}));
  basin::cpu::forward(use, view(q), view(k), view(v), view(out));                                 // calls the observers
  basin::cpu::backward(use, view(q), view(k), view(v), view(out), view(dq), view(dk), view(dv));  // of |out|^2 / 2

  // Compares the gradient of one number of q with a finite difference in double precision.
  std::vector<double> wide(q.begin(), q.end()), result(q.size());
  auto const loss = [&](double change) {
    wide[100] = static_cast<double>(q[100]) + change;
    basin::reference::forward(use, basin::contiguous(wide.data(), batch, heads, length, dim), view(k), view(v),
                              basin::contiguous(result.data(), batch, heads, length, dim));
    double sum = 0;
    for (double const o : result) sum += 0.5 * o * o;
    return sum;
  };
  double const difference = (loss(1e-4) - loss(-1e-4)) / 2e-4;
  std::printf("entropy of the last row: %.4f nats of at most %.4f; first key received %.2f\n", nats[length - 1],
              std::log(double(length)), received[0]);
  std::printf("d loss / d q[100]: %.6f by backward, %.6f by finite difference\n", static_cast<double>(dq[100]),
              difference);
  return std::abs(difference - static_cast<double>(dq[100])) < 1e-4 ? 0 : 1;
}
