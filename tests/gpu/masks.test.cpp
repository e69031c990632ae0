// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/ on a device with every mask, pruner and score function of the catalogue. Only tests/gpu.sh builds and
// runs it.
#include "gpu/compare.hpp"

namespace basin_test {

namespace {

shape const mask_shapes[] = {
    {2, 3, 1, 37, 170, 8, 8, layout::length_first, layout::padded},
    {2, 3, 3, 50, 30, 8, 5},                                     // the first queries are before the first key
    {2, 3, 3, 140, 200, 8, 8},
};

template <class N>
void compare_catalogue(N const& normalize, shape const& s) {
  catalogue_of<pinned_allocator> const of(s);
  auto const masks = of.masks();
  auto const pruners = of.pruners();
  auto const use = basin::attention<>{}.with(normalize).with(any_mask{}).with(any_pruner{}).with(any_scorer{});
  for (std::size_t n = 0; n < masks.size(); ++n)
    for (std::size_t r = 0; r < pruners.size(); ++r) {
      if (n % 3 != 0 && r != 0 && r != n % pruners.size()) continue;  // all masks, all pruners, a third of the pairs
      INFO("mask " << n << ", pruner " << r);
      auto const chosen = use.replace(masks[n]).replace(pruners[r]);
      compare_on_device<float, passes::separate>(chosen, s, numbers::normal, 1);
    }
  call<double> const sizes(s);
  double const bend = largest_norm(sizes.q) * largest_norm(sizes.k) + static_cast<double>(s.keys);
  for (auto const& score : of.scorers())
    for (auto const& mask : {masks[0], masks[1], masks[9]}) {
      INFO("scorer " << score.which.index() << ", mask " << mask.which.index());
      compare_on_device<float, passes::separate>(use.replace(mask).replace(score), s, numbers::normal, 1, bend);
    }
}

}  // namespace

TEST_CASE("a device agrees with the reference for every mask, pruner and score function", "[gpu][masks]") {
  for (shape const& s : mask_shapes)
    for_each_number<2>([&](auto n) {
      INFO("normalizer " << static_cast<int>(n));
      compare_catalogue(catalogue_normalizer_at<n>{}, s);
    });
}

}  // namespace basin_test
