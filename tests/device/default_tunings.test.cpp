// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/tuning.hpp: blocks of the size of a GPU, for the dims and types that it supports.
#include "device/half_call.hpp"
#include "parity/compare.hpp"

namespace basin_test {

namespace {

template <int Dim, class S>
void compare_default() {
  shape const s{1, 2, 1, 70, 90, Dim, Dim};
  half_call<S> c(s);
  auto const use = basin::attention<>{}.with(basin::causal{});
  basin::problem const p = s;
  auto const q = c.view_of(c.q, c.exact.q), k = c.view_of(c.k, c.exact.k), v = c.view_of(c.v, c.exact.v);
  auto const dout = c.view_of(c.dout, c.exact.dout);
  host_forward_of<Dim, basin::gpu::default_tuning>(use, p, q, k, v, c.out.v);
  host_backward_of<Dim, basin::gpu::default_backward_tuning>(use, p, q, k, v, dout, c.dq.v, c.dk.v, c.dv.v);
  auto& exact = c.exact;
  basin::reference::forward(use, exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v, exact.dv.v);
  // Unnormalised weights, weights and ds are rounded once; sums over rows average.
  double const step = half_step<S>();
  CHECK(distance(c.out, c.exact.out) <= step * largest(c.exact.v) + 1e-4);
  CHECK(distance(c.dq, c.exact.dq) <= 8 * step * largest(c.exact.dq) + 1e-3);
  CHECK(distance(c.dk, c.exact.dk) <= 8 * step * largest(c.exact.dk) + 1e-3);
  CHECK(distance(c.dv, c.exact.dv) <= 8 * step * largest(c.exact.dv) + 1e-3);
}

}  // namespace

TEST_CASE("blocks of the default tunings agree with the reference at every dim", "[device]") {
  SECTION("bf16, 64") { compare_default<64, basin::bfloat16>(); }
  SECTION("bf16, 128") { compare_default<128, basin::bfloat16>(); }
  SECTION("bf16, 256") { compare_default<256, basin::bfloat16>(); }
  SECTION("fp16, 128") { compare_default<128, basin::float16>(); }
}

}  // namespace basin_test
