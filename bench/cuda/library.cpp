// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cuda/library.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "cuda/calls.hpp"
#include "support/entry.hpp"

namespace {

using basin_bench::answer;
using basin_bench::problem;

/// Calls f(the entries of the policy).
template <class F>
void with_calls(std::int32_t policy, F const& f) {
  bool found = false;
  [&]<int... N>(std::integer_sequence<int, N...>) {
    ((policy == N ? (found = true, f(basin_bench::calls_of<N>{})) : void()), ...);
  }(std::make_integer_sequence<int, basin_cuda_policies>{});
  if (!found) throw std::invalid_argument("basin_cuda: there is no policy " + std::to_string(policy));
}

}  // namespace

extern "C" {

char const* basin_cuda_problem() { return problem.c_str(); }

std::uint64_t basin_cuda_workspace(std::int32_t policy, basin_cuda_tensor const* q, basin_cuda_tensor const* k,
                                   basin_cuda_tensor const* v) {
  std::uint64_t bytes = 0;
  answer([&] { with_calls(policy, [&](auto calls) { bytes = calls.workspace(*q, *k, *v); }); });
  return bytes;
}

std::uint64_t basin_cuda_saved(std::int32_t policy, basin_cuda_tensor const* q, basin_cuda_tensor const* k,
                               basin_cuda_tensor const* v) {
  std::uint64_t bytes = 0;
  answer([&] { with_calls(policy, [&](auto calls) { bytes = calls.saved(*q, *k, *v); }); });
  return bytes;
}

std::int32_t basin_cuda_forward(std::int32_t policy, std::int32_t watch, basin_cuda_tensor const* q,
                                basin_cuda_tensor const* k, basin_cuda_tensor const* v, basin_cuda_tensor const* out,
                                basin_cuda_room const* room) {
  return answer([&] { with_calls(policy, [&](auto calls) { calls.forward(watch, *q, *k, *v, *out, *room); }); });
}

std::int32_t basin_cuda_backward(std::int32_t policy, std::int32_t watch, basin_cuda_tensor const* q,
                                 basin_cuda_tensor const* k, basin_cuda_tensor const* v, basin_cuda_tensor const* out,
                                 basin_cuda_tensor const* dout, basin_cuda_tensor const* dq,
                                 basin_cuda_tensor const* dk, basin_cuda_tensor const* dv,
                                 basin_cuda_room const* room) {
  return answer([&] {
    with_calls(policy, [&](auto calls) { calls.backward(watch, *q, *k, *v, *out, *dout, *dq, *dk, *dv, *room); });
  });
}

std::int32_t basin_cuda_decode(basin_cuda_tensor const* q, basin_cuda_tensor const* k, basin_cuda_tensor const* v,
                               basin_cuda_tensor const* out, basin_cuda_room const* room) {
  return answer([&] { basin_bench::calls_of<basin_cuda_full>::decode(*q, *k, *v, *out, *room); });
}

}  // extern "C"
