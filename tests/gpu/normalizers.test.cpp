// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/forward.cuh and cuda/backward.cuh on a device with every streamable normalizer, every kind of mask,
// pruner and observer. Only tests/gpu.sh builds and runs it.
#include "gpu/compare.hpp"

namespace basin_test {

namespace {

/// As on the host machine (device/policies.hpp): rows of several tiles of keys and of less than one, heads in a group,
/// more queries than keys; and rows of several blocks. D = 16, so that the scale is exact.
shape const normalizer_shapes[] = {
    {1, 4, 2, 19, 50, 16, 8, layout::length_first, layout::padded},
    {1, 2, 2, 21, 9, 16, 5, layout::reversed, layout::dim_first},
    {2, 3, 1, 90, 150, 16, 24, layout::padded, layout::length_first},
};

// Scaling laws multiply scores of 200 keys by 5.3 at most.
constexpr double steep = 5.3;

template <int N, class E>
void compare_normalizer(shape const& s) {
  auto const normalize = std::get<N>(all_normalizers()).normalize;
  auto const bytes = dropped_bytes(s);
  pinned<std::uint8_t> const dropped(bytes.begin(), bytes.end());
  for_each_mask_and_pruner(dropped, s, [&](chosen_mask mask, chosen_pruner pruner) {
    auto const use = basin::attention<>{}.with(normalize).with(mask).with(pruner);
    compare_on_device<E, passes::and_together>(use, s, numbers::grid, steep);
  });
}

template <class E, class Shapes>
void compare_normalizers(Shapes const& shapes) {
  for_each_number<normalizer_count>([&](auto n) {
    if constexpr (!basin::fits_rows<normalizer_at<n>>) {
      INFO(std::get<n>(all_normalizers()).name);
      for (shape const& s : shapes) compare_normalizer<n, E>(s);
    }
  });
}

}  // namespace

TEMPLATE_TEST_CASE("a device agrees with the reference for every normalizer, mask and pruner", "[gpu][normalizers]",
                   float, basin::bfloat16) {
  compare_normalizers<TestType>(normalizer_shapes);
}

TEMPLATE_TEST_CASE("reduced: every normalizer", "[gpu][normalizers][reduced]", float, basin::bfloat16) {
  shape const s{1, 2, 1, 19, 50, 16, 8, layout::length_first, layout::padded};
  auto const causal = basin::attention<>{}.with(chosen_mask{chosen_mask::kind::causal}).with(chosen_pruner{});
  for_each_number<normalizer_count>([&](auto n) {
    if constexpr (!basin::fits_rows<normalizer_at<n>>) {
      INFO(std::get<n>(all_normalizers()).name);
      auto const use = causal.with(std::get<n>(all_normalizers()).normalize);
      compare_on_device<TestType, passes::and_together>(use, s, numbers::grid, steep);
    }
  });
}

TEST_CASE("gradients of learned parameters on a device agree with the CPU engine", "[gpu][normalizers]") {
  shape const s{1, 2, 1, 21, 40, 16, 16};
  std::size_t const rows = 2 * 21;
  pinned<float> const logits{0.5f, -1.0f};
  pinned<double> here(rows, nan), there(rows, nan);
  auto const use = [&](pinned<double>& gradients) {
    basin::sink_logit sink{{0, basin::contiguous(logits.data(), 2)}};
    sink.gradients = {basin::contiguous(gradients.data(), 1, 1, s.heads, s.queries)};
    return basin::attention<>{}.with(sink).with(chosen_mask{chosen_mask::kind::causal}).with(chosen_pruner{});
  };
  call<float> on_device(s, numbers::grid), on_host(s, numbers::grid);
  device_reports seen(s);
  backward_on_device(use(here).with(seen.watch_all()), host_call<float, float>::of(on_device, on_device));
  cpu_backward(use(there), on_host);
  CHECK(distance(here, there) <= tolerances_of<float>(s, on_host.magnitudes()).dq);
}

}  // namespace basin_test
