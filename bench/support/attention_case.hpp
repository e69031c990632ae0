// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One attention call with inputs that are the same in every run, and its comparison with the reference.

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "basin/basin.hpp"

namespace bench {

/// The distribution of q, k and v. Scores of uniform inputs have a standard deviation of 1/3, those of normal inputs of
/// 1, as in a newly initialised model. The cost of sparse normalizers depends on it.
enum class draw { uniform, normal };

inline std::vector<float> drawn(basin::philox& rng, draw from, basin::index_t count) {
  std::vector<float> out(static_cast<std::size_t>(count));
  for (float& x : out) x = static_cast<float>(from == draw::uniform ? 2 * basin::uniform(rng) - 1 : basin::normal(rng));
  return out;
}

/// The keys of a row that have weight: at most `keys`. An error of a score is multiplied by `amplified` in a weight,
/// relative to the weight: 1 for exponentials; the number of keys for thresholds, whose weights may be as small as 1 /
/// keys while their errors are not smaller.
struct support {
  basin::index_t keys;
  double amplified = 1;
};

/// One batch, one head, as many queries as keys, fp32.
class attention_case {
 public:
  attention_case(basin::index_t length, basin::index_t dim, draw from = draw::uniform) : length_(length), dim_(dim) {
    basin::philox rng(17);
    for (auto* const tensor : {&q_, &k_, &v_}) *tensor = drawn(rng, from, length * dim);
    out_.resize(static_cast<std::size_t>(length * dim));
  }

  using input = basin::view<float const, 4>;                     // [1, 1, length, dim]
  input q() const { return view_of(q_); }
  input k() const { return view_of(k_); }
  input v() const { return view_of(v_); }
  basin::view<float, 4> out() { return basin::contiguous(out_.data(), 1, 1, length_, dim_); }
  basin::index_t length() const { return length_; }
  basin::index_t dim() const { return dim_; }

  /// `products` products of length x length x dim, with a multiply and an add each; the normalizer's work is not
  /// counted.
  double flops(int products = 2) const {
    return 2.0 * products * static_cast<double>(length_) * static_cast<double>(length_) * static_cast<double>(dim_);
  }

  /// The rows that are compared: evenly spaced, so that all lanes and query tiles occur; all rows of a short case.
  basin::index_t sampled() const { return std::min<basin::index_t>(length_, 64); }
  basin::index_t row(basin::index_t sample) const { return sample * step(); }
  template <class T>
  basin::view<T, 4> sampled_of(T* tensor) const {
    return basin::strided<T, 4>(tensor, {1, 1, sampled(), dim_}, {0, 0, step() * dim_, 1});
  }

  /// Runs forward(use) and compares it with the reference.
  template <class Attention>
  bool agrees(Attention const& use, support const& s) {
    forget();
    basin::cpu::forward(use, q(), k(), v(), out());
    return matches(use, s);
  }
  template <class Attention>
  bool agrees(Attention const& use) { return agrees(use, {length_}); }

  void forget() { std::fill(out_.begin(), out_.end(), std::numeric_limits<float>::quiet_NaN()); }

  /// Whether every output is finite and the sampled rows agree with the reference.
  template <class Attention>
  bool matches(Attention const& use, support const& s) const {
    if (!std::all_of(out_.begin(), out_.end(), [](float x) { return std::isfinite(x); })) return false;
    std::vector<double> expected, got;
    for (basin::index_t n = 0; n < sampled(); ++n) {
      float const* const first = out_.data() + row(n) * dim_;
      got.insert(got.end(), first, first + dim_);
      expected.resize(got.size());
      reference_row(use, row(n), expected.data() + n * dim_);
    }
    return close(got, expected, tolerance(s));
  }

  /// |got - expected| <= relative |expected|, in Euclidean norms.
  static bool close(std::span<double const> got, std::span<double const> expected, double relative) {
    double error = 0, size = 0;
    for (std::size_t n = 0; n < expected.size(); ++n) {
      error += (got[n] - expected[n]) * (got[n] - expected[n]);
      size += expected[n] * expected[n];
    }
    return std::sqrt(error) <= relative * std::sqrt(size);
  }

  /// Inputs are random, so rounding errors grow with the square root of their number, like the sum itself (Higham and
  /// Mary 2019): relative to the norm, a result has the error of one summand. The error of a score is u sqrt(dim) scale
  /// |q| |k|. A weight has it twice, in the numerator and in the sum. Sums over keys and queries add u sqrt(length).
  /// The factor 8 covers what this leaves out.
  double tolerance(support const& s) const {
    double const u = std::numeric_limits<float>::epsilon() / 2;
    double const score = u * largest_norm(q_) * largest_norm(k_);  // sqrt(dim) scale = 1
    return 8 * (2 * score * s.amplified + 2 * u * std::sqrt(static_cast<double>(std::max(s.keys, dim_))));
  }

 private:
  input view_of(std::vector<float> const& tensor) const {
    return basin::contiguous(tensor.data(), 1, 1, length_, dim_);
  }
  basin::index_t step() const { return sampled() > 1 ? (length_ - 1) / (sampled() - 1) : 1; }

  /// A single query has the position of the last key, so the reference of a causal row gets the keys up to its
  /// position.
  template <class Attention>
  void reference_row(Attention const& use, basin::index_t row, double* out) const {
    using mask = std::remove_cvref_t<decltype(use.visible)>;
    static_assert(std::same_as<mask, basin::unmasked> || std::same_as<mask, basin::causal>,
                  "bench: reference_row() needs the mask unmasked or causal; it computes rows one at a time");
    basin::index_t const keys = std::same_as<mask, basin::causal> ? row + 1 : length_;
    basin::reference::forward(use.replace(basin::unobserved{}),
                              basin::contiguous(q_.data() + row * dim_, 1, 1, 1, dim_),
                              basin::contiguous(k_.data(), 1, 1, keys, dim_),
                              basin::contiguous(v_.data(), 1, 1, keys, dim_),
                              basin::contiguous(out, 1, 1, 1, dim_));
  }

  double largest_norm(std::vector<float> const& tensor) const {
    double largest = 0;
    for (auto row = tensor.begin(); row != tensor.end(); row += dim_) {
      double sum = 0;
      std::for_each(row, row + dim_, [&](float x) { sum += static_cast<double>(x) * static_cast<double>(x); });
      largest = std::max(largest, sum);
    }
    return std::sqrt(largest);
  }

  basin::index_t length_, dim_;
  std::vector<float> q_, k_, v_, out_;
};

}  // namespace bench
