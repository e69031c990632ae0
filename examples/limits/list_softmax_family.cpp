// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Softmax, and what scales its scores or adds to its sum.

#include "basin/normalize/adaptive_temperature.hpp"
#include "basin/normalize/law/position_steps.hpp"
#include "basin/normalize/law/su_log_n.hpp"
#include "basin/normalize/law/yarn.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/normalize/softmax_n.hpp"
#include "limits/instantiate.hpp"

void basin::limits::add_softmax_family(candidates& to) {
  double const trained = to.about().trained;
  to.add("softmax", softmax{});
  to.add("softmax_T0.5", softmax{0.5});
  to.add("softmax1", softmax_n{});
  to.add("sink_logit", sink_logit{{1.0}});
  to.add("ssmax", length_scaled<softmax, ssmax>{});
  to.add("log_n", length_scaled<softmax, log_n>{{}, {trained}});
  to.add("su_log_n", length_scaled<softmax, su_log_n>{});
  to.add("yarn", length_scaled<softmax, yarn>{{}, {4}});
  to.add("position_steps", length_scaled<softmax, position_steps>{{}, {0.1, trained}});
  to.add("adaptive_temperature", adaptive_temperature{});
}
