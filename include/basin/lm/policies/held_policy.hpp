// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

#include <cuda/std/variant>

#include "basin/config.hpp"

namespace basin::lm {

/// f(policy), with the policy that a variant holds. The policy is found by comparisons, where std::visit would call
/// through a table of pointers, which costs a stack in a kernel.
BASIN_WHERE_ITS_ARGUMENTS_DO
template <std::size_t First = 0, class Variant, class F>
BASIN_HD auto visit_held(Variant& of, F const& f) {
  if constexpr (First + 1 < cuda::std::variant_size_v<Variant>)
    if (of.index() != First) return visit_held<First + 1>(of, f);
  return f(*cuda::std::get_if<First>(&of));
}

}  // namespace basin::lm
