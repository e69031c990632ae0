// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/detail/query_gradient_block.hpp, key_gradient_block.hpp: the kernels of the backward pass, on the host.
#include "basin/basin.hpp"
#include "device/half_call.hpp"
#include "device/host_engine.hpp"
#include "parity/policies.hpp"

namespace basin_test {

TEST_CASE("gradients of the kernels agree with the reference in every layout and at every length", "[device]") {
  for (shape const& s :
       {shape{1, 1, 1, 1, 1, 8, 8}, shape{1, 2, 1, 40, 50, 16, 24},
        shape{2, 3, 3, 33, 17, 32, 8, layout::dim_first, layout::padded}, shape{1, 1, 1, 64, 32, 32, 32},
        shape{1, 6, 2, 1, 65, 24, 32, layout::reversed}, shape{1, 1, 1, 20, 70, 90, 33, layout::padded}}) {
    basin::attention<> const full;
    auto const window = full.with(basin::sliding_window{.left = 20}).with(basin::soft_cap{3});
    compare_backward<float>(full, s, numbers::normal, 1, on_host_backward);
    compare_backward<float>(full.with(basin::causal{}), s, numbers::normal, 1, on_host_backward);
    compare_backward<float>(window, s, numbers::normal, 1, on_host_backward);
  }
}

TEST_CASE("gradients with the block size of a GPU agree with the reference", "[device]") {
  auto const whole = [](auto const& use, auto& c) {
    host_backward<basin::gpu::default_backward_tuning>(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
  };
  auto const use = basin::attention<>{}.with(basin::causal{});
  compare_backward<float>(use, {1, 4, 2, 70, 150, 32, 32}, numbers::normal, 1, whole);
}

TEST_CASE("backward kernels report to observers what the reference reports, and observers change no bit", "[device]") {
  shape const s{1, 4, 2, 37, 60, 16, 16};
  call<float> blind(s), watched(s);
  call<double> exact(s);
  reports seen(s), expected(s);
  auto const use = basin::attention<>{}.with(basin::causal{});
  on_host_backward(use, blind);
  on_host_backward(use.with(seen.watch_all()), watched);
  basin::reference::forward(use.with(expected.watch_all()), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  CHECK(same_elements(blind.dq, watched.dq));
  CHECK(same_elements(blind.dk, watched.dk));
  CHECK(same_elements(blind.dv, watched.dv));
  compare_reports(seen, expected, tolerances_of<float>(s, blind.magnitudes()));
}

TEST_CASE("gradients from the rows that forward kept agree with the reference", "[device]") {
  auto const causal = basin::attention<>{}.with(basin::causal{});
  shape const s{1, 4, 2, 35, 50, 16, 24};
  auto const scaled = causal.with(basin::length_scaled<basin::softmax>{});
  auto const without_delta = causal.with(basin::sigmoid{});
  auto const delta_by_a_pass = causal.with(basin::sparsemax{});
  compare_backward<float>(causal, s, numbers::normal, 1, on_host_saved_backward);
  compare_backward<float>(scaled, s, numbers::normal, 4, on_host_saved_backward);
  compare_backward<float>(without_delta, s, numbers::normal, 1, on_host_saved_backward);
  compare_backward<float>(delta_by_a_pass, s, numbers::grid, 1, on_host_saved_backward);
}

TEST_CASE("gradients of learned parameters agree with the CPU engine", "[device]") {
  shape const s{1, 2, 1, 21, 40, 16, 16};
  auto const gradients = [&](auto engine) {
    call<float> c(s, numbers::grid);
    std::vector<double> rows(static_cast<std::size_t>(s.heads * s.queries), nan);
    std::vector<float> const logits{0.5f, -1.0f};
    basin::sink_logit sink{{0, basin::strided(logits.data(), std::array<index_t, 1>{2}, std::array<index_t, 1>{1})}};
    sink.gradients = {basin::contiguous(rows.data(), 1, 1, s.heads, s.queries)};
    engine(basin::attention<>{}.with(basin::causal{}).with(sink), c);
    return rows;
  };
  auto const here = gradients(on_host_backward), there = gradients(cpu_backward);
  double const allowed = tolerances_of<float>(s, call<float>(s, numbers::grid).magnitudes()).dq;
  CHECK(distance(here, there) <= allowed);
}

TEMPLATE_TEST_CASE("gradients of 16-bit tensors agree with the reference on the same numbers", "[device]",
                   basin::bfloat16, basin::float16) {
  for (shape const& s : {shape{1, 2, 1, 40, 50, 16, 24}, shape{1, 1, 1, 35, 65, 64, 80}}) {
    INFO(description(s));
    half_call<TestType> c(s);
    auto const use = basin::attention<>{}.with(basin::causal{});
    c.template run_backward<small_blocks>(use);
    // w and ds are rounded once and summed over queries or keys
    double const step = half_step<TestType>(), rows = static_cast<double>(std::max(s.queries, s.keys));
    double const dweight = 2 * largest_norm(c.exact.dout) * largest_norm(c.exact.v);
    CHECK(distance(c.dv, c.exact.dv) <= step * rows * largest(c.exact.dout) + 1e-3);
    CHECK(distance(c.dq, c.exact.dq) <= step * dweight * largest(c.exact.k) + 1e-3);
    CHECK(distance(c.dk, c.exact.dk) <= step * rows * dweight * largest(c.exact.q) + 1e-3);
  }
}

}  // namespace basin_test
