// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <concepts>
#include <type_traits>

#include "basin/core/problem.hpp"

namespace basin {

/// What every policy is: a small value that may be copied into a kernel. It owns nothing, allocates nothing, throws nothing
/// on the way; numbers that a user can get wrong are checked by an optional `void validate() const`, which engines call first.
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

}  // namespace basin
