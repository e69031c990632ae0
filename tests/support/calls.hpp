// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One attention call with all inputs and outputs, for an engine under test and for the reference.

#include <algorithm>

#include "basin/cpu/backward.hpp"
#include "basin/cpu/decode.hpp"
#include "basin/cpu/forward.hpp"
#include "basin/reference.hpp"
#include "support/catch.hpp"
#include "support/chosen.hpp"
#include "support/policies.hpp"
#include "support/reports.hpp"
#include "support/tensors.hpp"
#include "support/tolerance.hpp"

namespace basin_test {

enum class numbers { normal, grid };

/// Inputs, outputs and gradients in T; outputs start with poison values.
template <class T>
struct call {
  shape s;
  tensor<T> q, k, v, dout, out, dq, dk, dv;

  explicit call(shape const& at, numbers of = numbers::normal, std::uint64_t seed = 1)
      : s(at),
        q({s.batch, s.heads, s.queries, s.dim}, s.inputs),
        k({s.batch, s.kv_heads, s.keys, s.dim}, s.inputs),
        v({s.batch, s.kv_heads, s.keys, s.value_dim}, s.inputs),
        dout({s.batch, s.heads, s.queries, s.value_dim}, s.inputs),
        out({s.batch, s.heads, s.queries, s.value_dim}, s.outputs),
        dq({s.batch, s.heads, s.queries, s.dim}, s.outputs),
        dk({s.batch, s.kv_heads, s.keys, s.dim}, s.outputs),
        dv({s.batch, s.kv_heads, s.keys, s.value_dim}, s.outputs) {
    std::uint64_t stream = seed * 64;
    for (tensor<T>* t : {&q, &k, &v, &dout}) of == numbers::normal ? t->fill_normal(++stream) : t->fill_grid(++stream);
  }

  template <class U>
  void copy_inputs(call<U> const& from) {
    q.copy_from(from.q), k.copy_from(from.k), v.copy_from(from.v), dout.copy_from(from.dout);
  }
  call_magnitudes magnitudes() const {
    return {largest_norm(q), largest_norm(k), largest_norm(v), largest_norm(dout),
            largest(q),      largest(k),      largest(v),      largest(dout)};
  }
  bool outputs_are_whole() const { return out.all_written() && out.gaps_untouched(); }
  bool gradients_are_whole() const {
    bool whole = true;
    for (tensor<T> const* t : {&dq, &dk, &dv}) whole = whole && t->all_written() && t->gaps_untouched();
    return whole;
  }
};

/// Bytes for drop_keys: about a third of the keys, different for every head; one head loses all keys.
inline std::vector<std::uint8_t> dropped_bytes(shape const& s) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(s.batch * s.heads * s.keys));
  splitmix rng{static_cast<std::uint64_t>(s.keys)};
  for (std::size_t n = 0; n < bytes.size(); ++n)
    bytes[n] = rng() % 3 == 0 || (s.heads > 3 && n / static_cast<std::size_t>(s.keys) == 1);
  return bytes;
}

/// Whether errors of weights are relative to the weights, and weights sum to at most 1. True for exponentials; false
/// for powers above a threshold, products with the score itself, and functions of a single score.
template <class N>
inline constexpr bool errors_are_relative = basin::has_terms<N>;
template <>
inline constexpr bool errors_are_relative<basin::entmax15> = false;
template <>
inline constexpr bool errors_are_relative<basin::entmax> = false;
template <>
inline constexpr bool errors_are_relative<basin::self_adjusted> = false;
template <>
inline constexpr bool errors_are_relative<basin::self_adjusted_plain> = false;
template <>
inline constexpr bool errors_are_relative<basin::sigmoid> = false;
template <>
inline constexpr bool errors_are_relative<basin::relu> = false;
template <>
inline constexpr bool errors_are_relative<basin::squared_relu> = false;
template <class N, class Law>
inline constexpr bool errors_are_relative<basin::length_scaled<N, Law>> = errors_are_relative<N>;

/// Number of absolute errors of a row: one per key.
template <class N>
double support_of_errors(N const&, shape const& s) {
  return errors_are_relative<N> ? 1.0 : static_cast<double>(s.keys);
}

}  // namespace basin_test
