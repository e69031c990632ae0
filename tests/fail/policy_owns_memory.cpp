// expect: basin: a policy must be trivially copyable and default constructible
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include <vector>

#include "basin/attention.hpp"
#include "basin/mask/causal.hpp"

struct owning : basin::causal {
#ifdef SHOULD_FAIL
  std::vector<int> memory;
#endif
};

auto const use = basin::attention<>{}.with(owning{});
