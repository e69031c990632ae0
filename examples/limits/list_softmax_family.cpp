// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Softmax and what scales its scores or adds to its sum.

#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/softmax.hpp"
#include "limits/add.hpp"

void basin::limits::add_softmax_family(candidates& to) {
  to.add("softmax", softmax{});
  to.add("softmax at T = 0.5", softmax{0.5});
  to.add("ssmax", length_scaled<softmax, ssmax>{});
  to.add("log_n", length_scaled<softmax, log_n>{{}, {to.about().trained}});
}
