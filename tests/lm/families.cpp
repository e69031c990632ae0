// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "families.hpp"

namespace basin_test {

basin::lm::registry const& normalizers_in_double() {
  static basin::lm::registry const some = [] {
    basin::lm::registry r;
    r.add<basin::softmax, double>();
    r.add<basin::sink_logit, double>();
    r.add<basin::entmax, double>();
    r.add<basin::entmax15, double>();
    r.add<basin::sigmoid, double>();
    r.add<basin::self_adjusted, double>();
    r.add<basin::top_k, double>();
    return r;
  }();
  return some;
}

}  // namespace basin_test
