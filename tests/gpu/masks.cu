// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every mask, pruner and score function, chosen at run time, with observers, in fp32, with normalizer BASIN_CASE / 2:
// the forward pass, or the backward pass.

#include "gpu/device_call.cuh"
#include "gpu/policies.hpp"

namespace basin_test {

template <class Attention, class E, class Out>
void forward_on_device(Attention const& use, host_call<E, Out> const& c) {
  run_forward<forward_of_dims<32>>(use, c);
}
template <class Attention, class E, class Out>
void backward_on_device(Attention const& use, host_call<E, Out> const& c) {
  run_backward<backward_of_dims<32>>(use, c);
}

using attention_type = watched<with_any<catalogue_normalizer_at<BASIN_CASE / 2>>>;
#if BASIN_CASE % 2 == 0
template void forward_on_device(attention_type const&, host_call<float, float> const&);
#else
template void backward_on_device(attention_type const&, host_call<float, float> const&);
#endif

}  // namespace basin_test
