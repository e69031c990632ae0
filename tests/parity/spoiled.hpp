// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Calls on clean inputs, and on inputs that hold NaN or infinities.

#include "parity/compare.hpp"

namespace basin_test {

inline auto const full = basin::attention<>{};
inline auto const causal = full.with(basin::causal{});

template <class T>
bool same_row(tensor<T> const& a, tensor<T> const& b, index_t i) {
  bool same = true;
  a.each([&](T& x, index_t n, index_t h, index_t row, index_t d) {
    same = same && (row != i || same_bits(x, static_cast<T>(b.v(n, h, row, d))));
  });
  return same;
}

template <class T>
bool row_is_nan(tensor<T> const& a, index_t i) {
  bool all = true;
  a.each([&](T& x, index_t, index_t, index_t row, index_t) { all = all && (row != i || std::isnan(x)); });
  return all;
}

template <class T>
void spoil_row(tensor<T> const& t, index_t i, double with) {
  t.each([&](T& x, index_t, index_t, index_t row, index_t) { if (row == i) x = static_cast<T>(with); });
}

/// Runs the engine on clean inputs and on inputs with one row of NaN or infinities.
template <class Attention, class Engine>
struct spoiled {
  call<float> clean, dirty;
  spoiled(Attention const& use, shape const& s, Engine engine, tensor<float> call<float>::*input, index_t row,
          double with)
      : clean(s),
        dirty(s) {
    spoil_row(dirty.*input, row, with);
    engine(use, clean);
    engine(use, dirty);
  }
};

inline shape const square{1, 2, 1, 50, 50, 8, 8};
inline shape const few{1, 2, 1, 3, 50, 8, 8};                           // query positions 47, 48, 49

inline constexpr auto reference_forward = [](auto const& use, auto& c) {
  basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v);
};
inline constexpr auto reference_backward = [](auto const& use, auto& c) {
  basin::reference::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
};

}  // namespace basin_test
