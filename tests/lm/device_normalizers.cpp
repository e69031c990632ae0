// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The normalizers of device_under_test.hpp: their kernels are compiled here.

#include <device_under_test.hpp>

#include "basin/lm/policies/normalizers_on_device.hpp"

namespace basin_test {

std::span<basin::lm::device_normalizer<device_under_test> const> device_under_test::normalizers() {
  using namespace basin;
  return lm::device_normalizers<device_under_test, softmax, sink_logit, top_k, entmax15,
                                lm::scaled_by_length<softmax>>();
}

}  // namespace basin_test
