// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/pretrained/llama2c.hpp: a trained model of 260 thousand weights, and what llama2.c says with it.
#include <algorithm>
#include <vector>

#include "basin/lm/pretrained/llama2c.hpp"
#include "pretrained.hpp"
#include "support/skip.hpp"

namespace basin {

TEST_CASE("stories260K gives the golden logits and the golden story", "[parity][pretrained]") {
  auto const path = basin_test::shared_data("stories260k/stories260K.bin");
  if (!path) return;
  auto const file = lm::open_llama2c(*path);
  auto model = pretrained_test::load(lm::llama2c_model(file.config), file.tensors);
  auto cache = model.make_cache();
  std::vector<int> const begin{1}, golden{
      403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408,
      419, 292, 411, 322, 265, 282, 295, 433, 426, 385, 328, 432, 358, 394, 261, 370, 432, 352, 266, 268, 388, 426,
      338, 391, 266, 267, 337, 335, 312, 432, 398, 312, 286, 267, 414, 270, 333, 415, 426, 13,  438, 310};
  auto logits = model.extend(cache, begin);
  double const first[] = {-6.22291, 8.40434, -6.22374, -6.22254, -6.22195, -6.22288};
  for (std::size_t n = 0; n < 6; ++n) CHECK(logits[n] == basin_test::Approx(first[n]).margin(2e-4));
  std::vector<int> story;
  while (story.size() < golden.size()) {
    story.push_back(static_cast<int>(std::ranges::max_element(logits) - logits.begin()));
    logits = model.extend(cache, std::span(&story.back(), 1));
  }
  CHECK(story == golden);
}

}  // namespace basin
