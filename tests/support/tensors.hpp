// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Tensors for tests: memory in several layouts, filled with a NaN of known bits, so that a test detects elements that
// were not written and gaps that were.

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "basin/core/view.hpp"
#include "support/scores.hpp"

namespace basin_test {

using basin::index_t;

/// The layout of [batch, heads, length, dim] in memory. `reversed` has negative strides and is for inputs only.
enum class layout { heads_first, length_first, padded, dim_first, reversed };

inline char const* name_of(layout how) {
  constexpr char const* names[] = {"heads first", "length first", "padded", "dim first", "reversed"};
  return names[static_cast<int>(how)];
}

template <class T>
T poison() {
  if constexpr (sizeof(T) == 2) return std::bit_cast<T>(std::uint16_t{0x7fc5});  // a NaN of bfloat16 and of float16
  else if constexpr (sizeof(T) == 4) return std::bit_cast<T>(std::uint32_t{0x7fc5beef});
  else return std::bit_cast<T>(std::uint64_t{0x7ff8beefbeefbeef});
}

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

/// A tensor that owns its memory; engines get the view `v`.
template <class T>
struct tensor {
  std::vector<T> memory;
  basin::view<T, 4> v;

  tensor(std::array<index_t, 4> extents, layout how = layout::heads_first) {
    auto const [b, h, l, d] = extents;
    std::array<index_t, 4> strides{};
    index_t size = b * h * l * d, first = 0;
    switch (how) {
      case layout::heads_first: strides = {h * l * d, l * d, d, 1}; break;
      case layout::length_first: strides = {l * h * d, d, h * d, 1}; break;
      case layout::padded: {                                     // a gap after every row, every head, every batch
        index_t const row = d + 3, head = l * row + 5, batch = h * head + 7;
        strides = {batch, head, row, 1};
        size = b * batch + 2;
        first = 2;
        break;
      }
      case layout::dim_first: strides = {h * d * l, d * l, 1, l}; break;
      case layout::reversed: strides = {-h * l * d, -l * d, -d, -1}; first = size - 1; break;
    }
    memory.assign(static_cast<std::size_t>(size), poison<T>());
    v = basin::strided(memory.data() + first, extents, strides);
  }
  tensor(tensor const&) = delete;
  tensor& operator=(tensor const&) = delete;

  /// Calls f(element, b, h, i, d) for every element.
  template <class F>
  void each(F&& f) const {
    for (index_t b = 0; b < v.extent(0); ++b)
      for (index_t h = 0; h < v.extent(1); ++h)
        for (index_t i = 0; i < v.extent(2); ++i)
          for (index_t d = 0; d < v.extent(3); ++d) f(v(b, h, i, d), b, h, i, d);
  }
  void fill_normal(std::uint64_t seed, double spread = 1) {
    splitmix rng{seed};
    each([&](T& x, auto...) { x = static_cast<T>(static_cast<float>(spread * normal_number(rng))); });  // same in float
  }
  /// Multiples of 1/8 in [-2, 2]: products of such rows are exact in float, and equal scores are exactly equal.
  void fill_grid(std::uint64_t seed) {
    splitmix rng{seed};
    each([&](T& x, auto...) { x = static_cast<T>(static_cast<double>(rng() % 33) / 8 - 2); });
  }
  template <class U>
  void copy_from(tensor<U> const& from) {
    each([&](T& x, index_t b, index_t h, index_t i, index_t d) { x = static_cast<T>(from.v(b, h, i, d)); });
  }
  bool all_written() const {
    bool all = true;
    each([&](T& x, auto...) { all = all && !same_bits(x, poison<T>()); });
    return all;
  }
  /// Whether all memory beside the elements still has its initial bits.
  bool gaps_untouched() const {
    std::vector<T> rest = memory;
    each([&](T& x, auto...) { rest[static_cast<std::size_t>(&x - memory.data())] = poison<T>(); });
    for (T const x : rest)
      if (!same_bits(x, poison<T>())) return false;
    return true;
  }
  bool untouched() const {
    for (T const x : memory)
      if (!same_bits(x, poison<T>())) return false;
    return true;
  }
};

/// Whether the elements are the same bit for bit.
template <class T>
bool same_elements(tensor<T> const& a, tensor<T> const& b) {
  bool same = true;
  a.each([&](T& x, index_t n, index_t h, index_t i, index_t d) {
    same = same && same_bits(x, static_cast<T>(b.v(n, h, i, d)));
  });
  return same;
}

/// The largest difference; a NaN in only one of the two counts as infinite.
template <class T, class U>
double distance(tensor<T> const& a, tensor<U> const& b) {
  double most = 0;
  a.each([&](T& x, index_t n, index_t h, index_t i, index_t d) {
    double const p = static_cast<double>(x), q = static_cast<double>(b.v(n, h, i, d));
    if ((std::isnan(p) && std::isnan(q)) || p == q) return;
    double const off = std::fabs(p - q);
    most = std::isnan(off) ? inf : std::fmax(most, off);
  });
  return most;
}

/// The largest absolute value of an element, and the largest Euclidean norm of a row.
template <class T>
double largest(tensor<T> const& a) {
  double most = 0;
  a.each([&](T& x, auto...) { most = std::fmax(most, std::fabs(static_cast<double>(x))); });
  return most;
}
template <class T>
double largest_norm(tensor<T> const& a) {
  double most = 0, sum = 0;
  a.each([&](T& x, index_t, index_t, index_t, index_t d) {
    sum = (d == 0 ? 0 : sum) + static_cast<double>(x) * static_cast<double>(x);
    most = std::fmax(most, sum);
  });
  return std::sqrt(most);
}

}  // namespace basin_test
