// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <concepts>
#include <type_traits>

#include "basin/core/problem.hpp"

namespace basin {

/// What every policy is: a small value that may be copied into a kernel. It owns nothing, allocates nothing, and throws nothing while
/// it computes. What a caller can get wrong is checked before anything is computed, by hooks that are all optional:
///
///   validate()                 its own numbers
///   validate(problem)          the extents of what it points to, against the call
///   validate_values(problem)   the numbers it points to; host engines alone call this one, as elsewhere the memory may be a device's
///   views(f)                   calls f(owner, name, view) for every view it holds: views of const elements are read during the call, others
///                              written. Engines refuse a call in which these share memory with an output
template <class P>
concept policy = std::semiregular<P> && std::is_trivially_copyable_v<P>;

/// A mask or a pruner that treats all heads alike says so by `using alike_for_heads = std::true_type`. Engines then ask it once for all heads
/// that read the same keys.
template <class P>
concept heads_are_alike = requires { requires P::alike_for_heads::value; };

/// Calls p.validate() where there is one: are its own numbers in range?
template <class P>
void validate(P const& p) {
  if constexpr (requires { p.validate(); }) p.validate();
}

/// Calls p.validate(problem) where there is one: has it room for this call?
template <class P>
void validate(P const& p, problem const& call) {
  validate(p);
  if constexpr (requires { p.validate(call); }) p.validate(call);
}

/// validate(p, problem), and p.validate_values(problem) where there is one: are the numbers it points to in range?
template <class P>
void validate_on_host(P const& p, problem const& call) {
  validate(p, call);
  if constexpr (requires { p.validate_values(call); }) p.validate_values(call);
}

/// Calls f(owner, name, view) for every view that a policy lists.
template <class P, class F>
void for_each_view(P const& p, F&& f) {
  if constexpr (requires { p.views(f); }) p.views(f);
}

}  // namespace basin
