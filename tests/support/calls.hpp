// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// One attention call with everything it reads and writes, run by an engine under test and by the reference.

#include <algorithm>

#include "basin/cpu/backward.hpp"
#include "basin/cpu/decode.hpp"
#include "basin/cpu/forward.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/observe/entropy.hpp"
#include "basin/observe/max_weight.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/observe/together.hpp"
#include "basin/prune/drop_keys.hpp"
#include "basin/prune/keep_all.hpp"
#include "basin/reference.hpp"
#include "support/archetypes.hpp"
#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/tensors.hpp"
#include "support/tolerance.hpp"

namespace basin_test {

/// Sizes and layouts of one call.
struct shape {
  index batch = 1, heads = 1, kv_heads = 1, queries = 1, keys = 1, dim = 1, value_dim = 1;
  layout inputs = layout::heads_first, outputs = layout::heads_first;

  operator basin::problem() const { return {batch, heads, kv_heads, queries, keys, dim, value_dim}; }
};

inline std::string description(shape const& s) {
  return basin::message("B ", s.batch, " H ", s.heads, " Hk ", s.kv_heads, " Nq ", s.queries, " Nk ", s.keys, " D ", s.dim, " Dv ", s.value_dim, ", ",
                        name_of(s.inputs), " -> ", name_of(s.outputs));
}

enum class numbers { normal, grid };

/// Inputs, outputs and gradients in T; outputs start as poison.
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
    return {largest_norm(q), largest_norm(k), largest_norm(v), largest_norm(dout), largest(q), largest(k), largest(v), largest(dout)};
  }
  bool outputs_are_whole() const { return out.all_written() && out.gaps_untouched(); }
  bool gradients_are_whole() const {
    bool whole = true;
    for (tensor<T> const* t : {&dq, &dk, &dv}) whole = whole && t->all_written() && t->gaps_untouched();
    return whole;
  }
};

/// What all the library's observers report of a call.
struct reports {
  shape s;
  std::vector<double> received, nats, heaviest, squares;

  explicit reports(shape const& at)
      : s(at),
        received(static_cast<std::size_t>(s.batch * s.heads * s.keys), nan),
        nats(static_cast<std::size_t>(s.batch * s.heads * s.queries), nan),
        heaviest(nats.size(), nan),
        squares(received.size(), nan) {}
  auto watch_rows() {
    return basin::together(basin::entropy{basin::contiguous(nats.data(), s.batch, s.heads, s.queries)},
                           basin::max_weight{basin::contiguous(heaviest.data(), s.batch, s.heads, s.queries)});
  }
  auto watch_keys() {
    return basin::together(basin::received_attention{basin::contiguous(received.data(), s.batch, s.heads, s.keys)},
                           received_squares{basin::contiguous(squares.data(), s.batch, s.heads, s.keys)});
  }
  auto watch_all() { return basin::together(watch_rows(), watch_keys()); }
};

/// A mask chosen at run time, so that tests over masks compile their engines once.
struct chosen_mask {
  enum class kind { unmasked, causal, holes, blindfold } which = kind::unmasked;
  template <class F>
  auto as(F&& f) const {
    switch (which) {
      case kind::causal: return f(basin::causal{});
      case kind::holes: return f(holes{});
      case kind::blindfold: return f(blindfold{});
      default: return f(basin::unmasked{});
    }
  }
  bool allows(basin::coord c) const { return as([&](auto m) { return m.allows(c); }); }
  basin::coverage covers(basin::tile t) const { return as([&](auto m) { return m.covers(t); }); }
};
static_assert(basin::mask<chosen_mask>);

/// A pruner chosen at run time: keep_all, drop_keys or from_score.
struct chosen_pruner {
  enum class kind { keep_all, drop_keys, from_score } which = kind::keep_all;
  basin::drop_keys drop{};
  from_score from{};
  template <class T>
  bool keeps(basin::coord c, T score) const {
    return which == kind::keep_all ? basin::keep_all{}.keeps(c, score) : which == kind::drop_keys ? drop.keeps(c, score) : from.keeps(c, score);
  }
  basin::coverage covers(basin::tile t) const {
    return which == kind::keep_all ? basin::keep_all{}.covers(t) : which == kind::drop_keys ? drop.covers(t) : basin::coverage::some;
  }
  void validate(basin::problem const& p) const {
    if (which == kind::drop_keys) drop.validate(p);
  }
};
static_assert(basin::pruner<chosen_pruner>);

/// Bytes for drop_keys: about a third of the keys, others for every head; one head loses all.
inline std::vector<std::uint8_t> dropped_bytes(shape const& s) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(s.batch * s.heads * s.keys));
  splitmix rng{static_cast<std::uint64_t>(s.keys)};
  for (std::size_t n = 0; n < bytes.size(); ++n) bytes[n] = rng() % 3 == 0 || (s.heads > 3 && n / static_cast<std::size_t>(s.keys) == 1);
  return bytes;
}

/// Whether errors of weights are relative to the weights, and weights sum to at most 1: exponentials, but not thresholds on
/// powers, nor weights that stand for themselves.
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

/// Absolute errors count once a key.
template <class N>
double support_of_errors(N const&, shape const& s) {
  return errors_are_relative<N> ? 1.0 : static_cast<double>(s.keys);
}

}  // namespace basin_test
