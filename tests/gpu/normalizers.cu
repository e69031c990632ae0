// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The type of normalizer BASIN_CASE with chosen masks and pruners and with observers: in fp32, whose errors are as
// small as on the host, and in bf16.

#include "gpu/device_call.cuh"
#include "gpu/policies.hpp"

namespace basin_test {

using normalizer_type = normalizer_at<BASIN_CASE>;

template <class E>
inline constexpr int least_dim = sizeof(E) == 4 ? 32 : 64;

template <class Attention, class E, class Out>
void forward_on_device(Attention const& use, host_call<E, Out> const& c) {
  run_forward<forward_of_dims<least_dim<E>>>(use, c);
}
template <class Attention, class E, class Out>
void backward_on_device(Attention const& use, host_call<E, Out> const& c) {
  run_backward<backward_of_dims<least_dim<E>>>(use, c);
}
template <class Attention, class E>
void train_on_device(Attention const& use, host_call<E, E> const& c) {
  run_training<forward_of_dims<least_dim<E>>, backward_of_dims<least_dim<E>>>(use, c);
}

#define BASIN_INSTANTIATE(E)                                                                              \
  template void forward_on_device(watched<with_chosen<normalizer_type>> const&, host_call<E, E> const&); \
  template void backward_on_device(watched<with_chosen<normalizer_type>> const&, host_call<E, E> const&); \
  template void train_on_device(watched<with_chosen<normalizer_type>> const&, host_call<E, E> const&);
BASIN_INSTANTIATE(float)
BASIN_INSTANTIATE(basin::bfloat16)

}  // namespace basin_test
