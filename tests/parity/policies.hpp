// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Compares a normalizer with the reference under every mask, every pruner, observers and both kinds of score function.

#include "parity/compare.hpp"
#include "support/rows.hpp"

namespace basin_test {

/// Shapes with full and partial query tiles and key blocks; the last has more queries than keys. D = 16 makes the scale
/// exact.
inline shape const policy_shapes[] = {
    {1, 4, 2, 37, 131, 16, 8, layout::length_first, layout::padded},
    {2, 4, 4, 5, 40, 16, 3, layout::padded, layout::length_first},
    {1, 2, 1, 21, 9, 16, 5, layout::reversed, layout::dim_first},
};

/// Calls f(mask, pruner) for every pair.
template <class Bytes, class F>
void for_each_mask_and_pruner(Bytes const& dropped, shape const& s, F&& f) {
  using mask_kind = chosen_mask::kind;
  using pruner_kind = chosen_pruner::kind;
  basin::drop_keys const drop{basin::contiguous(dropped.data(), s.batch, s.heads, s.keys)};
  for (auto const mask : {mask_kind::unmasked, mask_kind::causal, mask_kind::holes, mask_kind::blindfold})
    for (auto const pruner : {pruner_kind::keep_all, pruner_kind::drop_keys, pruner_kind::from_score}) {
      INFO("mask " << static_cast<int>(mask) << ", pruner " << static_cast<int>(pruner));
      f(chosen_mask{mask}, chosen_pruner{pruner, drop, from_score{-0.3017}});
    }
}

template <class Here>
void compare_reports(Here const& here, reports const& exact, call_tolerances const& allowed) {
  CHECK(distance(here.received, exact.received) <= allowed.received);
  CHECK(distance(here.squares, exact.squares) <= 2 * allowed.received);  // |w^2 - x^2| <= 2 |w - x|
  CHECK(distance(here.heaviest, exact.heaviest) <= allowed.max_weight);
  CHECK(distance(here.nats, exact.nats) <= allowed.entropy);
}

/// Compares a forward call with all observers.
template <class T, class Attention, class Engine = decltype(cpu_forward)>
void compare_observed(Attention const& use, shape const& s, numbers of, double steep,
                      Engine const& engine = cpu_forward) {
  INFO(description(s));
  call<T> here(s, of);
  call<double> exact(s, of);
  reports seen(s), expected(s);
  engine(use.with(seen.watch_all()), here);
  basin::reference::forward(use.with(expected.watch_all()), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  auto m = here.magnitudes();
  m.steep = steep;
  m.support = support_of_errors(use.normalize, s);
  auto const allowed = tolerances_of<T>(s, m);
  CHECK(here.outputs_are_whole());
  CHECK(distance(here.out, exact.out) <= allowed.out);
  compare_reports(seen, expected, allowed);
}

/// Compares in float and with a linear score function only. The normalizers of the other files compare the engines in
/// full.
template <class Case>
void compare_in_float(Case const& c, numbers of, double steep) {
  INFO(c.name);
  for (shape const& s : policy_shapes) {
    auto const dropped = dropped_bytes(s);
    for_each_mask_and_pruner(dropped, s, [&](chosen_mask mask, chosen_pruner pruner) {
      auto const use = basin::attention<>{}.with(c.normalize).with(mask).with(pruner);
      compare_observed<float>(use, s, of, steep);
      compare_backward<float>(use, s, of, steep, cpu_backward_in_small_cuts);
    });
  }
}

/// The score function is linear in double and not linear in float, so each path is compiled once. shapes.test.cpp has
/// the others.
template <class T, class Case>
void compare_policies(Case const& c, numbers of, double steep) {
  INFO(c.name);
  for (shape const& s : policy_shapes) {
    auto const dropped = dropped_bytes(s);
    for_each_mask_and_pruner(dropped, s, [&](chosen_mask mask, chosen_pruner pruner) {
      auto const plain = basin::attention<>{}.with(c.normalize).with(mask).with(pruner);
      compare_forward<T>(plain, s, of, steep, cpu_forward);
      if constexpr (std::is_same_v<T, float>) {
        compare_observed<T>(plain.with(bent{}), s, of, steep);
        compare_backward<T>(plain.with(bent{}), s, of, steep, cpu_backward_in_small_cuts);
      } else {
        compare_observed<T>(plain, s, of, steep);
        compare_backward<T>(plain, s, of, steep, cpu_backward);
      }
    });
  }
}

}  // namespace basin_test
