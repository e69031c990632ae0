// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "basin/concepts/observer.hpp"

namespace basin {

/// Observes nothing: the default of the slot.
struct unobserved {
  using sees_nothing = void;
};

static_assert(observer<unobserved>);

}  // namespace basin
