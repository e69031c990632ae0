// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/group_machine.hpp, cuda/detail/bulk_{layout,tiles,roles}.hpp: the Hopper kernels, on the host.
#include "basin/basin.hpp"
#include "device/host_groups.hpp"
#include "parity/compare.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

template <class Selector, int Dim, class S, class Attention>
void compare_in_groups(Attention const& use, shape const& s) {
  INFO(description(s));
  half_call<S> c(s);
  host_forward_in_groups<Dim, Selector>(use, c.view_of(c.q, c.exact.q), c.view_of(c.k, c.exact.k),
                                        c.view_of(c.v, c.exact.v), c.out.v);
  basin::reference::forward(use, c.exact.q.v, c.exact.k.v, c.exact.v.v, c.exact.out.v);
  CHECK(c.out.all_written());
  CHECK(distance(c.out, c.exact.out) <= half_step<S>() * largest(c.exact.v) + 1e-4);
}

}  // namespace

TEST_CASE("the Hopper kernels agree with the reference at every length", "[device]") {
  basin::attention<> const full;
  for (shape const& s : {shape{1, 1, 1, 1, 1, 64, 64}, shape{1, 2, 1, 40, 150, 64, 64},
                         shape{2, 2, 2, 20, 33, 40, 24}, shape{1, 1, 1, 64, 16, 64, 64}}) {
    compare_in_groups<groups_of<1, 16, 2>, 64, basin::bfloat16>(full, s);
    compare_in_groups<groups_of<1, 16, 2>, 64, basin::bfloat16>(full.with(basin::causal{}), s);
  }
  compare_in_groups<groups_of<3, 16, 2, turns::taken, 3>, 64, basin::bfloat16>(full, {1, 1, 1, 190, 70, 64, 64});
  compare_in_groups<groups_of<2, 32, 3, turns::taken>, 128, basin::float16>(full.with(basin::causal{}),
                                                                            {1, 2, 1, 70, 110, 128, 100});
}

TEST_CASE("the exponential by multiply-adds is within its error bound", "[device]") {
  using basin::gpu::detail::exp2_by_multiply_adds;
  double worst = 0;
  for (int n = 0; n <= 125 * 4096; ++n) {
    float const x = static_cast<float>(n) * (-1.0f / 4096);
    double const exact = std::exp2(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(exp2_by_multiply_adds(x)) / exact - 1));
  }
  CHECK(worst <= 4e-6);
  CHECK(exp2_by_multiply_adds(0.0f) == 1.0f);
  CHECK(std::isnan(exp2_by_multiply_adds(std::numeric_limits<float>::quiet_NaN())));
  for (float const x : {-125.5f, -126.0f, -1e4f, -1e30f, -std::numeric_limits<float>::infinity()})
    CHECK(exp2_by_multiply_adds(x) == 0.0f);
}

TEST_CASE("the producer warp stays in step with the consumers in every pass of a threshold search", "[device]") {
  shape const s{1, 2, 1, 40, 150, 64, 64};
  auto const causal = basin::attention<>{}.with(basin::causal{});
  compare_in_groups<groups_of<1, 16, 2>, 64, basin::bfloat16>(causal.with(basin::sparsemax{}), s);
  compare_in_groups<groups_of<1, 16, 3>, 64, basin::bfloat16>(causal.with(basin::entmax15{}), s);
  compare_in_groups<groups_of<2, 16, 2>, 64, basin::bfloat16>(causal.with(basin::top_k{5}), s);
  compare_in_groups<groups_of<1, 16, 2>, 64, basin::bfloat16>(causal.with(basin::length_scaled<basin::softmax>{}), s);
}

TEST_CASE("received attention and gradients of the Hopper kernels agree with the reference", "[device]") {
  shape const s{1, 4, 2, 70, 90, 64, 64};
  auto const check = [&](auto const& use) {
    half_call<basin::bfloat16> c(s);
    reports seen(s), expected(s);
    auto& exact = c.exact;
    auto const q = c.view_of(c.q, exact.q), k = c.view_of(c.k, exact.k), v = c.view_of(c.v, exact.v);
    auto const dout = c.view_of(c.dout, exact.dout);
    host_forward_in_groups<64, groups_of<1, 16, 2>>(use.with(seen.watch_all()), q, k, v, c.out.v);
    basin::reference::forward(use.with(expected.watch_all()), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
    CHECK(distance(c.out, exact.out) <= half_step<basin::bfloat16>() * largest(exact.v) + 1e-4);
    CHECK(distance(seen.received, expected.received) <= 1e-4);
    host_backward_in_groups<64, groups_of<1, 16, 2>>(use, q, k, v, dout, c.dq.v, c.dk.v, c.dv.v);
    basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v,
                               exact.dv.v);
    double const step = half_step<basin::bfloat16>();
    CHECK(distance(c.dq, exact.dq) <= 8 * step * largest(exact.dq) + 1e-3);
    CHECK(distance(c.dk, exact.dk) <= 8 * step * largest(exact.dk) + 1e-3);
    CHECK(distance(c.dv, exact.dv) <= 8 * step * largest(exact.dv) + 1e-3);
  };
  auto const causal = basin::attention<>{}.with(basin::causal{});
  check(basin::attention<>{});
  check(causal);
  check(causal.with(basin::sparsemax{}));
}

}  // namespace basin_test
