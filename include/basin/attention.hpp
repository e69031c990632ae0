// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The composition: five slots, each filled by one policy.

#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "basin/concepts/explain.hpp"
#include "basin/concepts/mask.hpp"
#include "basin/concepts/normalizer.hpp"
#include "basin/concepts/observer.hpp"
#include "basin/concepts/pruner.hpp"
#include "basin/concepts/scorer.hpp"
#include "basin/core/problem.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/observe/unobserved.hpp"
#include "basin/prune/keep_all.hpp"
#include "basin/score/scaled.hpp"

namespace basin {

namespace detail {

/// A slot is free while it holds its default: the default type with the default numbers.
template <class Default, class Slot>
constexpr void require_free_slot([[maybe_unused]] Slot const& held) {
  static_assert(std::is_same_v<Slot, Default>,
                "basin: with(p) would drop the policy that fills this slot already; join masks by all_of(a, b), "
                "pruners by all_of(a, b) and observers by together(a, b), or exchange the policy on purpose by "
                "replace(p)");
  if constexpr (std::is_same_v<Slot, Default> && !std::is_empty_v<Slot>)
    if (!(held == Default{}))
      throw value_error("basin: with(p) would drop the numbers of the policy that fills this slot already; "
                        "exchange the policy on purpose by replace(p)");
}

}  // namespace detail

/// What attention computes: for query i and key j
///   s_ij = score(<q_i, k_j>);  visible_ij = mask and prune;  w_ij = normalize(s_ij : visible);  o_i = sum_j w_ij v_j
///
/// Models    a value; engines take it as their first argument
/// Edges     a query with no visible key gives o_i = 0, never NaN
/// Example   examples/01_hello.cpp
template <normalizer Normalizer = softmax, mask Mask = unmasked, pruner Pruner = keep_all,
          observer Observer = unobserved, scorer Scorer = scaled>
struct attention {
  BASIN_EMPTY Normalizer normalize{};
  BASIN_EMPTY Mask visible{};
  BASIN_EMPTY Pruner prune{};
  BASIN_EMPTY Observer observe{};
  BASIN_EMPTY Scorer score{};

  /// The same attention with one more policy. The slot is found by concept, so the order of calls does not matter. The
  /// slot must hold its default.
  ///
  /// Errors    static_assert: p fits no slot or several, or the slot is filled already; value_error: the slot holds
  ///           softmax or scaled with numbers other than their defaults
  template <class P>
  [[nodiscard]] constexpr auto with(P p) const {
    require_one_slot<P>();
    if constexpr (normalizer<P>) detail::require_free_slot<softmax>(normalize);
    else if constexpr (mask<P>) detail::require_free_slot<unmasked>(visible);
    else if constexpr (pruner<P>) detail::require_free_slot<keep_all>(prune);
    else if constexpr (observer<P>) detail::require_free_slot<unobserved>(observe);
    else if constexpr (scorer<P>) detail::require_free_slot<scaled>(score);
    return replace(p);
  }

  /// The same attention with p in its slot, whatever the slot held.
  ///
  /// Errors    static_assert: p fits no slot or several
  template <class P>
  [[nodiscard]] constexpr auto replace(P p) const {
    require_one_slot<P>();
    if constexpr (normalizer<P>)
      return attention<P, Mask, Pruner, Observer, Scorer>{p, visible, prune, observe, score};
    else if constexpr (mask<P>)
      return attention<Normalizer, P, Pruner, Observer, Scorer>{normalize, p, prune, observe, score};
    else if constexpr (pruner<P>)
      return attention<Normalizer, Mask, P, Observer, Scorer>{normalize, visible, p, observe, score};
    else if constexpr (observer<P>)
      return attention<Normalizer, Mask, Pruner, P, Scorer>{normalize, visible, prune, p, score};
    else if constexpr (scorer<P>)
      return attention<Normalizer, Mask, Pruner, Observer, P>{normalize, visible, prune, observe, p};
  }

 private:
  template <class P>
  static constexpr void require_one_slot() {
    static_assert(policy<P>, "basin: a policy must be trivially copyable and default constructible, so that it can be "
                             "copied into a kernel");
    constexpr int slots = normalizer<P> + mask<P> + pruner<P> + observer<P> + scorer<P>;
    static_assert(slots <= 1, "basin: a policy of attention models exactly one of normalizer, mask, pruner, observer, "
                              "scorer; this one models several: make a type of each");
    if constexpr (policy<P> && slots == 0) explain<P>();
  }
};

namespace detail {

template <class F, class... Policies>
void for_each_policy(attention<Policies...> const& use, F const& f) {
  f(use.normalize), f(use.visible), f(use.prune), f(use.observe), f(use.score);
}

}  // namespace detail

/// Calls every policy's check of its own numbers and of the extents of its memory for this call.
template <class... Policies>
void validate(attention<Policies...> const& use, problem const& p) {
  detail::for_each_policy(use, [&](auto const& policy) { validate(policy, p); });
}

namespace detail {

/// Checks that memory that a policy writes overlaps no tensor and no memory of another policy, and that memory that a
/// policy reads overlaps no output.
template <class... Policies>
void require_policies_apart(std::string_view caller, attention<Policies...> const& use,
                            std::span<operand const> tensors) {
  std::vector<operand> held;
  for_each_policy(use, [&](auto const& policy) {
    for_each_view(policy, [&](char const* owner, char const* name, auto const& v) {
      constexpr bool is_read_only = std::is_const_v<typename std::remove_cvref_t<decltype(v)>::element_type>;
      if (v.data_handle() != nullptr)
        held.push_back(operand_of(owner, name, v, is_read_only ? access::reads : access::writes));
    });
  });
  for (auto one = held.begin(); one != held.end(); ++one) {
    for (operand const& tensor : tensors) require_apart(caller, tensor, *one);
    for (auto before = held.begin(); before != one; ++before) require_apart(caller, *before, *one);
  }
}

}  // namespace detail

/// Checks the policies of a call, except the values in their memory. `tensors`: operands_of_forward() or
/// operands_of_backward().
///
/// Errors    value_error, shape_error
template <class... Policies>
void check_policies(std::string_view caller, attention<Policies...> const& use, problem const& p,
                    std::span<detail::operand const> tensors) {
  validate(use, p);
  detail::require_policies_apart(caller, use, tensors);
}

/// The same, and checks the numbers that policies point to: for engines that compute in host memory.
template <class... Policies>
void check_policies_on_host(std::string_view caller, attention<Policies...> const& use, problem const& p,
                            std::span<detail::operand const> tensors) {
  check_policies(caller, use, p, tensors);
  detail::for_each_policy(use, [&](auto const& policy) { validate_on_host(policy, p); });
}

}  // namespace basin
