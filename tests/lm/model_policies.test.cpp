// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/policies/model_policies.hpp, any_mask.hpp and any_scorer.hpp: what each layer is given by name.
#include "basin/lm/policies/model_policies.hpp"

#include <vector>

#include "basin/cpu/forward.hpp"
#include "families.hpp"
#include "nn/gradients.hpp"
#include "support/catch.hpp"

namespace basin_test {

namespace {

namespace lm = basin::lm;

lm::model_policies policies(char const* text, lm::any_mask usual = {}) {
  return {all_normalizers_by_name(), text, 4, 2, usual};
}

/// The output of a call in float with some attention.
template <class Attention>
std::vector<float> output_of(Attention const& use) {
  int const length = 70, dim = 8;
  auto q = nn_test::random_values<float>(1, 2 * length * dim), k = nn_test::random_values<float>(2, q.size()),
       v = nn_test::random_values<float>(3, q.size());
  std::vector<float> out(q.size());
  auto const view = [&](std::vector<float>& x) { return basin::contiguous(x.data(), 1, 2, length, dim); };
  basin::cpu::forward(use, view(q), view(k), view(v), view(out));
  return out;
}

}  // namespace

TEST_CASE("layers are given masks, scorers, gates and norms by name, and what is not given is usual",
          "[unit][policies]") {
  auto const made = policies(
      "layer 1: entmax15; layers 2-3: sliding_window:left=3; soft_cap:cap=20; layer 0: head_gate; gate; layer 3: "
      "qk_norm", {basin::causal{}});
  CHECK(made.layer(0).normalizers.spelled(1).normalizer.name == "softmax");
  CHECK(made.layer(1).normalizers.spelled(0).normalizer.name == "entmax15");
  CHECK(made.layer(0).visible.which.index() == 1);               // causal
  CHECK(cuda::std::get<basin::sliding_window>(made.layer(3).visible.which).left == 3);
  CHECK(cuda::std::get<basin::soft_cap>(made.layer(2).score.scorer().which).cap == 20);
  CHECK(made.layer(0).gate == lm::output_gate::per_head);
  CHECK(made.layer(1).gate == lm::output_gate::elementwise);
  CHECK(made.layer(3).head_norm == lm::qk_norm::rms);
  CHECK(made.layer(2).head_norm == lm::qk_norm::none);
  CHECK(policies("softmax").layer(0).visible.which.index() == 0);
}

TEST_CASE("masks and scorers by name give what their types give", "[parity][policies]") {
  auto const same = [](char const* text, auto const& use) {
    auto const layer = policies(text).layer(0);
    auto const expected = output_of(use);
    auto const got = output_of(basin::attention<>{}.with(layer.visible).with(layer.score.scorer()));
    CAPTURE(text);
    for (std::size_t i = 0; i < expected.size(); ++i)            // a factor of the queries, or of the products
      REQUIRE(std::abs(got[i] - expected[i]) <= 20 * 0x1p-24f * (1 + std::abs(expected[i])));
  };
  basin::attention<> const plain;
  auto const slopes = basin::alibi_slopes(2);
  same("softmax", plain);
  same("causal", plain.with(basin::causal{}));
  same("sliding_window:left=5,right=2", plain.with(basin::sliding_window{5, 2}));
  same("block_causal:block=7", plain.with(basin::block_causal{7}));
  same("prefix:length=9", plain.with(basin::prefix{9}));
  same("soft_cap:cap=2", plain.with(basin::soft_cap{.cap = 2}));
  same("scaled:scale=0.5", plain.with(basin::scaled{0.5f}));
  same("alibi", plain.with(basin::alibi<basin::scaled>{basin::contiguous(slopes.data(), 2)}));
}

TEST_CASE("policies that do not exist, do not fit or contradict each other are refused, and the message says what does",
          "[unit][policies][errors]") {
  auto const refused = [](char const* text, char const* why) {
    CAPTURE(text);
    CHECK_THROWS_WITH(policies(text), ContainsSubstring(why));
  };
  refused("softmaks", "there is no policy 'softmaks'; normalizers: ");
  refused("softmax; mask",
          "masks: unmasked, causal, sliding_window, block_causal, prefix; scorers: scaled, soft_cap, alibi");
  refused("softmax; slidingwindow", "there is no policy 'slidingwindow'");
  refused("causal:left=2", "causal has no number 'left'; it has none");
  refused("sliding_window:length=2", "sliding_window has no number 'length'; it has: left, right");
  refused("sliding_window:left=-2", "left is -2; it must be at least 0");
  refused("sliding_window:left=1.5", "sliding_window:left is 1.5; it must be a whole number");
  refused("soft_cap:cap=0", "cap is 0; it must be positive and finite");
  refused("layer 4: causal", "layer 4 is given causal, but the model has 4 layers, numbered from 0 to 3");
  refused("layer 1 head 0: causal", "causal is given to single heads, but all heads of a layer have the same");
  refused("causal; unmasked", "layer 0 is given both causal and unmasked; give it one");
  refused("layers 1-2: causal; layer 2: unmasked", "layer 2 is given both causal and unmasked; give it one");
  refused("softmax; entmax15", "is given both softmax and entmax15; give it one");
  refused("gate; head_gate", "is given both gate and head_gate; give it one");
  refused("gate:learned", "gate has no numbers");
  refused("causal*log_n", "'*' scales scores for a normalizer, and causal is none");
  refused("layer 2 head 2: relu", "head 2 is given relu, but the model has 2 heads");
  refused("sink_logit:learned,learned", "no policy");
}

}  // namespace basin_test
