// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Comparisons of an engine with the reference.

#include "support/calls.hpp"

namespace basin_test {

/// Compares a forward call of the engine in T with the reference in double on the same numbers.
template <class T, class Attention, class Engine>
void compare_forward(Attention const& use, shape const& s, numbers of, double steep, Engine engine,
                     std::uint64_t seed = 1) {
  INFO(description(s));
  call<T> here(s, of, seed);
  call<double> exact(s, of, seed);
  engine(use, here);
  basin::reference::forward(use, exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  auto m = here.magnitudes();
  m.steep = steep;
  m.support = support_of_errors(use.normalize, s);
  CHECK(here.outputs_are_whole());
  CHECK(distance(here.out, exact.out) <= tolerances_of<T>(s, m).out);
}

template <class T>
void compare_backward_results(call<T> const& here, call<double> const& exact, call_tolerances const& allowed) {
  CHECK(here.gradients_are_whole());
  CHECK(distance(here.dq, exact.dq) <= allowed.dq);
  CHECK(distance(here.dk, exact.dk) <= allowed.dk);
  CHECK(distance(here.dv, exact.dv) <= allowed.dv);
}

template <class T, class Attention, class Engine>
void compare_backward(Attention const& use, shape const& s, numbers of, double steep, Engine engine,
                      std::uint64_t seed = 1) {
  INFO(description(s));
  call<T> here(s, of, seed);
  call<double> exact(s, of, seed);
  engine(use, here);
  basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v, exact.dv.v);
  auto m = here.magnitudes();
  m.steep = steep;
  m.support = support_of_errors(use.normalize, s);
  compare_backward_results(here, exact, tolerances_of<T>(s, m));
}

inline constexpr auto cpu_forward = [](auto const& use, auto& c) {
  basin::cpu::forward(use, c.q.v, c.k.v, c.v.v, c.out.v);
};
inline constexpr auto cpu_decode = [](auto const& use, auto& c) {
  basin::cpu::decode(use, c.q.v, c.k.v, c.v.v, c.out.v);
};

/// cpu::decode as it is with few queries. Units that need no query tiles compile in half the time with it.
template <class Attention, class Q, class K, class V, class Out>
void decode_few(Attention const& use, Q const& q, K const& k, V const& v, Out const& out,
                basin::cpu::tuning const& cut = {}) {
  basin::problem const p = basin::check_forward("decode_few", q, k, v, out);
  REQUIRE(p.queries < basin::cpu::fewest_queries_of_a_panel);
  basin::cpu::detail::decode_in_splits(use, q, k, v, out, p, cut.for_call("decode_few", p.keys));
}
inline constexpr auto cpu_decode_few = [](auto const& use, auto& c) {
  decode_few(use, c.q.v, c.k.v, c.v.v, c.out.v);
};
inline constexpr auto cpu_backward = [](auto const& use, auto& c) {
  basin::cpu::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
};

/// A tuning of key blocks and query tiles so small that short rows have many blocks and are streamed.
inline constexpr basin::cpu::tuning small_cuts{.keys_per_block = 5, .panel_bytes = 1, .tasks = 3};
inline constexpr auto cpu_stream = [](auto const& use, auto& c) {
  basin::cpu::forward(use, c.q.v, c.k.v, c.v.v, c.out.v, small_cuts);
};
inline constexpr auto cpu_backward_in_small_cuts = [](auto const& use, auto& c) {
  basin::cpu::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v, small_cuts);
};

}  // namespace basin_test
