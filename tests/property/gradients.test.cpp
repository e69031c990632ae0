// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers reference::backward and the slopes of score functions: gradients against finite differences of
// reference::forward.
#include "basin/score/scaled.hpp"
#include "property/finite_differences.hpp"

namespace basin_test {

TEST_CASE("the reference's gradients agree with finite differences of its forward pass", "[property][reference]") {
  for_each_case(all_normalizers(), [](auto const& c) {
    INFO(c.name);
    auto const use = basin::attention<>{}.with(c.normalize);
    require_gradients(use);
    require_gradients(use.with(basin::causal{}).with(bent{}));
  });
}

TEST_CASE("gradients agree with finite differences at every scale of the scores", "[property][score]") {
  for (float const scale : {0.0f, 0.25f, -0.5f, 1.5f}) {
    CAPTURE(scale);
    require_gradients(basin::attention<>{}.with(basin::scaled{scale}).with(holes{}));
  }
}

TEST_CASE("scaled multiplies by 1/sqrt(dim) where its scale is 0, else by its scale", "[unit][score]") {
  basin::pair_at<double> const at{0, 0, 3, 2, 0.125};
  CHECK(basin::scaled{}.score(6.0, at) == 0.75);
  CHECK(basin::scaled{}.slope(6.0, at) == 0.125);
  CHECK(basin::scaled{2.0f}.score(6.0, at) == 12);
  CHECK(basin::scaled{-0.5f}.slope(6.0, at) == -0.5);
  CHECK(basin::scaled{}.factor(0.125f) == 0.125f);
}

}  // namespace basin_test
