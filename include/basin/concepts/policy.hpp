// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <concepts>
#include <type_traits>

#include "basin/core/problem.hpp"

namespace basin {

/// A small value that may be copied into a kernel. It owns nothing, allocates nothing, and throws nothing while it
/// computes. Engines check a policy before they compute anything, through optional hooks:
///
///   validate()                 checks its own numbers
///   validate(problem)          checks the extents of its views against the call
///   validate_values(problem)   checks the numbers in its views; called by host engines only, because elsewhere the
///                              memory may be a device's
///   views(f)                   calls f(owner, name, view) for every view that it holds. A view of const elements is
///                              read during the call, another one is written. Engines refuse a call in which a view
///                              overlaps an output, or a written view overlaps a tensor or another view
///   policies(f)                calls f(policy) for every policy that it is made of. They are checked before it, and
///                              their views are listed after its own
template <class P>
concept policy = std::semiregular<P> && std::is_trivially_copyable_v<P>;

/// `using alike_for_heads = std::true_type` declares that a mask or a pruner treats all heads alike. Engines then
/// evaluate it once for all heads that read the same keys.
template <class P>
concept heads_are_alike = requires { requires P::alike_for_heads::value; };

namespace detail {

/// Calls f(policy) for every policy that P is made of.
template <class P, class F>
void for_each_part(P const& p, F const& f) {
  if constexpr (requires { p.policies(f); }) p.policies(f);
}

}  // namespace detail

/// Calls p.validate() if P has it: checks its own numbers. The policies that P is made of come first, here and below.
template <class P>
void validate(P const& p) {
  detail::for_each_part(p, [](auto const& part) { validate(part); });
  if constexpr (requires { p.validate(); }) p.validate();
}

/// The same, then p.validate(problem) if P has it: checks the extents of its views.
template <class P>
void validate(P const& p, problem const& call) {
  detail::for_each_part(p, [&](auto const& part) { validate(part, call); });
  if constexpr (requires { p.validate(); }) p.validate();
  if constexpr (requires { p.validate(call); }) p.validate(call);
}

/// The same, then p.validate_values(problem) if P has it: checks the numbers in its views.
template <class P>
void validate_on_host(P const& p, problem const& call) {
  detail::for_each_part(p, [&](auto const& part) { validate_on_host(part, call); });
  if constexpr (requires { p.validate(); }) p.validate();
  if constexpr (requires { p.validate(call); }) p.validate(call);
  if constexpr (requires { p.validate_values(call); }) p.validate_values(call);
}

/// Calls f(owner, name, view) for every view that a policy lists, then for those of the policies that it is made of.
template <class P, class F>
void for_each_view(P const& p, F&& f) {
  if constexpr (requires { p.views(f); }) p.views(f);
  detail::for_each_part(p, [&](auto const& part) { for_each_view(part, f); });
}

}  // namespace basin
