// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// basin's entries with the C calling convention, for a program that loads a library at run time. An entry returns 0, or
// 1 if basin rejects the call; basin_problem() then returns the reason.

#include <omp.h>

#include <cstdint>

#include "basin/basin.hpp"
#include "support/entry.hpp"

extern "C" {

/// The element type of a tensor.
enum basin_storage : std::int32_t { basin_float32, basin_bfloat16 };

/// [batch, heads, length, dim]; strides count elements.
struct basin_tensor {
  void* memory;
  std::int64_t extents[4], strides[4];
};

}  // extern "C"

namespace {

using basin_bench::answer;
using basin_bench::problem;

template <class T>
basin::view<T, 4> view_of(basin_tensor const& t) {
  return basin::strided<T, 4>(static_cast<T*>(t.memory), {t.extents[0], t.extents[1], t.extents[2], t.extents[3]},
                              {t.strides[0], t.strides[1], t.strides[2], t.strides[3]});
}

/// Calls f(attention): causal, or without a mask if `causal` is 0.
template <class F>
void masked(std::int32_t causal, F&& f) {
  if (causal != 0) f(basin::attention<>{}.with(basin::causal{}));
  else f(basin::attention<>{});
}

template <class T>
void forward(std::int32_t causal, basin_tensor const* const (&t)[4]) {
  masked(causal, [&](auto const& use) {
    basin::cpu::forward(use, view_of<T const>(*t[0]), view_of<T const>(*t[1]), view_of<T const>(*t[2]),
                        view_of<T>(*t[3]));
  });
}

}  // namespace

extern "C" {

char const* basin_problem() { return problem.c_str(); }

/// The number of threads that a call would use, from the OpenMP runtime of the process.
std::int32_t basin_threads() { return omp_get_max_threads(); }

std::int32_t basin_forward(std::int32_t storage, std::int32_t causal, basin_tensor const* q, basin_tensor const* k,
                           basin_tensor const* v, basin_tensor const* out) {
  return answer([&] {
    if (storage == basin_bfloat16) forward<basin::bfloat16>(causal, {q, k, v, out});
    else forward<float>(causal, {q, k, v, out});
  });
}

/// Forward in fp32, with the received attention of each key: received [batch, heads, keys], dense.
std::int32_t basin_forward_received(std::int32_t causal, basin_tensor const* q, basin_tensor const* k,
                                    basin_tensor const* v, basin_tensor const* out, double* received) {
  return answer([&] {
    masked(causal, [&](auto const& use) {
      basin::received_attention const sums{basin::contiguous(received, q->extents[0], q->extents[1], k->extents[2])};
      basin::cpu::forward(use.with(sums), view_of<float const>(*q), view_of<float const>(*k), view_of<float const>(*v),
                          view_of<float>(*out));
    });
  });
}

/// Backward in fp32.
std::int32_t basin_backward(std::int32_t causal, basin_tensor const* q, basin_tensor const* k, basin_tensor const* v,
                            basin_tensor const* dout, basin_tensor const* dq, basin_tensor const* dk,
                            basin_tensor const* dv) {
  return answer([&] {
    masked(causal, [&](auto const& use) {
      basin::cpu::backward(use, view_of<float const>(*q), view_of<float const>(*k), view_of<float const>(*v),
                           view_of<float const>(*dout), view_of<float>(*dq), view_of<float>(*dk), view_of<float>(*dv));
    });
  });
}

}  // extern "C"
