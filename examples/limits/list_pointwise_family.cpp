// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Normalizers whose weights need not sum to 1.

#include "basin/normalize/relu.hpp"
#include "basin/normalize/self_adjusted.hpp"
#include "basin/normalize/self_adjusted_plain.hpp"
#include "basin/normalize/sigmoid.hpp"
#include "basin/normalize/softpick.hpp"
#include "basin/normalize/squared_relu.hpp"
#include "limits/instantiate.hpp"

void basin::limits::add_pointwise_family(candidates& to) {
  to.add("sigmoid", sigmoid::for_length(to.about().trained));
  to.add("relu", relu{});
  to.add("squared_relu", squared_relu{});
  to.add("softpick", softpick{});
  to.add("self_adjusted", self_adjusted{});
  to.add("self_adjusted_plain", self_adjusted_plain{});
}
