// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Normalizers that give weight 0 to what is below a threshold.

#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/top_k.hpp"
#include "limits/add.hpp"

void basin::limits::add_threshold_family(candidates& to) {
  to.add("top_k", top_k{8});
  to.add("sparsemax", sparsemax{});
}
