// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention BASIN_CASE of the models that tests/lm compares with those on the host, with and without observers.

#include <tuple>

#include "basin/lm/devices/cuda_attention.cuh"
#include "basin/mask/causal.hpp"
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/lm/policies/device_attention.hpp"

namespace basin::lm {

using all = std::tuple<device_attention<entmax15>, device_attention<top_k>, device_attention<scaled_by_length<softmax>>,
                       device_attention<sink_logit>, device_attention<softmax>, attention<>,
                       attention<softmax, causal>, attention<sink_logit, causal>>;
using plain = std::tuple_element_t<BASIN_CASE, all>;
using observed = decltype(plain{}.with(drop_keys{}).with(received_attention{}));
using in4 = view<float const, 4>;
using out4 = view<float, 4>;

template void cuda_device::forward(plain const&, in4, in4, in4, out4);
template void cuda_device::forward(observed const&, in4, in4, in4, out4);
template void cuda_device::decode(plain const&, in4, in4, in4, out4);
template void cuda_device::backward(plain const&, in4, in4, in4, in4, out4, out4, out4);

}  // namespace basin::lm
