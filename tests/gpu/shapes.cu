// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Policy BASIN_CASE / 3 of shape_policies() in storage BASIN_CASE % 3, at every dim that has kernels (fp32: at the
// smallest and the largest, which nvcc compiles slowly enough), with and without observers.

#include "gpu/device_call.cuh"
#include "gpu/policies.hpp"

namespace basin_test {

template <class E>
using forward_tuning = std::conditional_t<sizeof(E) == 4, forward_of_dims<64, 256>, basin::gpu::default_tuning>;
template <class E>
using backward_tuning =
    std::conditional_t<sizeof(E) == 4, backward_of_dims<64, 256>, basin::gpu::default_backward_tuning>;

template <class Attention, class E, class Out>
void forward_on_device(Attention const& use, host_call<E, Out> const& c) {
  run_forward<forward_tuning<E>>(use, c);
}
template <class Attention, class E, class Out>
void backward_on_device(Attention const& use, host_call<E, Out> const& c) {
  run_backward<backward_tuning<E>>(use, c);
}
template <class Attention, class E>
void train_on_device(Attention const& use, host_call<E, E> const& c) {
  run_training<forward_tuning<E>, backward_tuning<E>>(use, c);
}

using blind_type = shape_policy_at<BASIN_CASE / storage_count>;
using input_type = input_at<BASIN_CASE % storage_count>;
using call_type = host_call<input_type, output_at<BASIN_CASE % storage_count>>;
template void forward_on_device(blind_type const&, call_type const&);
template void forward_on_device(watched<blind_type> const&, call_type const&);
template void backward_on_device(blind_type const&, call_type const&);
template void backward_on_device(watched<blind_type> const&, call_type const&);
template void train_on_device(blind_type const&, host_call<input_type, input_type> const&);

}  // namespace basin_test
