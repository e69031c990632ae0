// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// A text for tests of theory/: embeddings, their Gram matrix, and quantities computed from vectors by definition.

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "basin/theory/gram.hpp"
#include "support/scores.hpp"

namespace basin_test {

struct text {
  std::vector<double> x, gram;
  basin::index_t keys, dim;

  text(std::vector<double> numbers, basin::index_t keys_, basin::index_t dim_)
      : x(std::move(numbers)), gram(static_cast<std::size_t>(keys_ * keys_)), keys(keys_), dim(dim_) {
    measure();
  }
  /// Normal numbers plus `cone` in every dimension; with `cone` = 0 all directions are equally likely.
  text(basin::index_t keys_, basin::index_t dim_, std::uint64_t seed, double cone = 0)
      : x(static_cast<std::size_t>(keys_ * dim_)),
        gram(static_cast<std::size_t>(keys_ * keys_)),
        keys(keys_),
        dim(dim_) {
    splitmix rng{seed};
    for (double& v : x) v = normal_number(rng) + cone;
    measure();
  }
  void onto_sphere(double radius = 1) {
    basin::theory::onto_sphere(basin::contiguous(x.data(), keys, dim), radius);
    measure();
  }
  void measure() {
    basin::theory::gram_of(basin::view<double const, 2>(basin::contiguous(x.data(), keys, dim)),
                           basin::contiguous(gram.data(), keys, keys));
  }

  basin::view<double const, 2> products() const { return basin::contiguous(gram.data(), keys, keys); }
  basin::theory::seen_gram<double> seen() const { return {products(), {}}; }
  double operator()(basin::index_t i, basin::index_t d) const { return x[static_cast<std::size_t>(i * dim + d)]; }

  /// |sum_i by_i x_i|, from the vectors.
  double length_of(std::vector<double> const& by) const {
    double square = 0;
    for (basin::index_t d = 0; d < dim; ++d) {
      double sum = 0;
      for (std::size_t i = 0; i < by.size(); ++i) sum += by[i] * (*this)(static_cast<basin::index_t>(i), d);
      square += sum * sum;
    }
    return std::sqrt(square);
  }
};

/// Positive weights that sum to 1: exponentials of normal numbers times `sharpness`.
inline std::vector<double> random_weights(std::size_t keys, splitmix& rng, double sharpness) {
  std::vector<double> w(keys);
  double sum = 0;
  for (double& v : w) sum += v = std::exp(sharpness * normal_number(rng));
  for (double& v : w) v /= sum;
  return w;
}

/// `count` different keys in random order.
inline std::vector<basin::index_t> random_set(std::size_t keys, std::size_t count, splitmix& rng) {
  std::vector<basin::index_t> order(keys);
  for (std::size_t i = 0; i < keys; ++i) order[i] = static_cast<basin::index_t>(i);
  for (std::size_t i = 0; i < count; ++i) std::swap(order[i], order[i + rng() % (keys - i)]);
  order.resize(count);
  return order;
}

/// Coefficients of by x_i - s; with by = w_i or 1, length_of() gives |w_i x_i - s| or |x_i - s| from the vectors.
inline std::vector<double> around(std::vector<double> const& w, std::vector<basin::index_t> const& inside,
                                  std::size_t i, double by) {
  std::vector<double> c(w.size());
  for (basin::index_t const j : inside) c[static_cast<std::size_t>(j)] = -w[static_cast<std::size_t>(j)];
  c[i] += by;
  return c;
}

}  // namespace basin_test
