// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Policy BASIN_CASE / 3 of decode_policies() in storage BASIN_CASE % 3: keys in one view, with and without observers,
// and keys in pages.

#include "gpu/device_call.cuh"
#include "gpu/policies.hpp"

namespace basin_test {

template <class Attention, class E, class Out>
void decode_on_device(Attention const& use, host_call<E, Out> const& c) {
  run_decode<forward_of_dims<64, 128>>(use, c);
}
template <class Attention, class E, class Out>
void decode_on_device(Attention const& use, host_tensor<E> const& q, host_pages<E> const& pages,
                      host_tensor<Out> const& out) {
  run_decode<forward_of_dims<64, 128>>(use, q, pages, out);
}

using blind_type = decode_policy_at<BASIN_CASE / storage_count>;
using input_type = input_at<BASIN_CASE % storage_count>;
using output_type = output_at<BASIN_CASE % storage_count>;
template void decode_on_device(blind_type const&, host_call<input_type, output_type> const&);
template void decode_on_device(watched<blind_type> const&, host_call<input_type, output_type> const&);
template void decode_on_device(blind_type const&, host_tensor<input_type> const&, host_pages<input_type> const&,
                               host_tensor<output_type> const&);

}  // namespace basin_test
