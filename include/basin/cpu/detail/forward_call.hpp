// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <type_traits>

#include "basin/concepts/observation.hpp"
#include "basin/core/element.hpp"
#include "basin/core/problem.hpp"
#include "basin/cpu/detail/tiles.hpp"
#include "basin/cpu/plan.hpp"

namespace basin::cpu::detail {

/// The arguments of forward(), checked.
template <class Attention, class Q, class K, class V, class Out>
struct forward_call {
  using attention_type = Attention;
  using watch_type = observation<decltype(Attention::observe)>;
  using T = compute_t<typename Q::value_type>;

  Attention const& use;
  watch_type watch;
  problem p;
  tuning cut;
  Q const &q;
  K const &k;
  V const &v;
  Out const &out;

  /// Whether products use matrix tiles: all operands are bf16, and blocks of keys start at tile boundaries.
  static constexpr auto may_use_tiles = tiles::compiled &&
                                        std::is_same_v<std::remove_const_t<typename Q::element_type>, bfloat16> &&
                                        std::is_same_v<std::remove_const_t<typename K::element_type>, bfloat16> &&
                                        std::is_same_v<std::remove_const_t<typename V::element_type>, bfloat16>;
  bool uses_tiles() const {
    return may_use_tiles && cut.keys_per_block % tiles::depth == 0 && cut.keys_per_step % tiles::depth == 0 &&
           tiles::ready();
  }

  forward_plan plan() const { return plan_forward<T, Attention>(p, cut); }
};

}  // namespace basin::cpu::detail
