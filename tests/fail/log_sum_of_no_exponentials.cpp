// expect: basin: the observer log_sum_exp needs a normalizer with log_sum_exp\(row\)
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "basin/normalize/softmax.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/observe/log_sum_exp.hpp"
#include "basin/reference.hpp"

#ifdef SHOULD_FAIL
using normalizer = basin::sparsemax;
#else
using normalizer = basin::softmax;
#endif

void call(basin::view<float, 4> q, basin::view<float, 4> out, basin::log_sum_exp logs) {
  basin::reference::forward(basin::attention<>{}.with(normalizer{}).with(logs), q, q, q, out);
}
