// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/block.hpp, lm/layers/ and models of blocks that differ: every part of a block in a model, and its gradients
#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "basin/lm/transformer.hpp"
#include "basin/mask/causal.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "lm/small_model.hpp"
#include "nn/gradients.hpp"
#include "support/catch.hpp"

namespace basin {

namespace {

constexpr int vocabulary = 7, dim = 8, length = 5;

lm::block_config block_of(lm::norm_kind norm, lm::mlp_kind mlp, lm::linear_bias bias) {
  return {.attention = {.dim = dim, .heads = 2, .positions = lm::rotary_config{.base = 10}, .context = length},
          .norm = {norm, 1e-3f},
          .mlp = {mlp, 6, bias}};
}

template <class Model>
void check_gradients(Model& model) {
  auto const tokens = basin_test::some_tokens(1, 2 * length, vocabulary);
  std::vector<double> by = nn_test::random_values(5, std::size_t(2 * length * vocabulary), 0.1);
  model.forward(tokens, 2, length, lm::unchanged{}, lm::activations::keep);
  model.backward(by);
  auto const loss = [&] { return nn_test::dot(model.forward(tokens, 2, length), by); };
  for (auto const& p : model.parameters()) {
    double largest = 0;
    bool const is_float = p.name.ends_with("logit");             // reaches the policy as a float
    for (std::size_t i = 0; i < p.values.size() && !is_float; i += 1 + p.values.size() / 8) {
      CAPTURE(p.name, i);
      CHECK(std::abs(nn_test::finite_difference(p.values[i], loss) - p.gradient[i]) <= 1e-8);
    }
    for (double const g : p.gradient) largest = std::max(largest, std::abs(g));
    CAPTURE(p.name);
    bool const cancels = p.name.ends_with("key.bias");           // adds the same to all scores of a row
    CHECK((cancels || largest > 1e-6));
  }
}

}  // namespace

TEST_CASE("the gradients of a model are its finite differences, whatever its norm, its MLP and its positions",
          "[property][layer]") {
  lm::host on;
  auto const norm = GENERATE(lm::norm_kind::rms, lm::norm_kind::layer);
  auto const mlp = GENERATE(lm::mlp_kind::swiglu, lm::mlp_kind::gelu, lm::mlp_kind::gelu_tanh);
  auto const bias = norm == lm::norm_kind::layer ? lm::linear_bias::with : lm::linear_bias::without;
  auto const positions = norm == lm::norm_kind::layer ? lm::position_table::learned : lm::position_table::none;
  auto const use = attention<>{}.with(causal{});
  std::vector<decltype(lm::make_block<double>(on, {}, use))> blocks;
  blocks.push_back(lm::make_block<double>(on, block_of(norm, mlp, bias), use));
  blocks.push_back(lm::make_block<double>(on, block_of(norm, mlp, bias), use));
  lm::transformer model(on,
                        {.vocabulary = vocabulary,
                         .dim = dim,
                         .context = length,
                         .head = lm::output_head::tied,
                         .positions = positions,
                         .norm = {norm, 1e-3f}},
                        std::move(blocks), 1);
  basin_test::stir(model);
  check_gradients(model);
}

TEST_CASE("post-norm blocks, a norm of the embedding and a head of two layers have the gradients of their sums",
          "[property][layer]") {
  lm::host on;
  auto sizes = block_of(lm::norm_kind::layer, lm::mlp_kind::gelu, lm::linear_bias::with);
  sizes.attention.positions.reset();
  sizes.attention.bias = lm::projection_bias::all;
  sizes.order = lm::norm_order::post;
  std::vector<decltype(lm::make_block<double>(on, sizes, attention<>{}))> blocks;
  for (int l = 0; l < 2; ++l) blocks.push_back(lm::make_block<double>(on, sizes, attention<>{}));
  lm::transformer model(on,
                        {.vocabulary = vocabulary,
                         .dim = dim,
                         .context = length,
                         .head = GENERATE(lm::output_head::tied, lm::output_head::untied),
                         .positions = lm::position_table::learned,
                         .norm = sizes.norm,
                         .order = lm::norm_order::post,
                         .transform = lm::head_transform::dense,
                         .head_bias = lm::linear_bias::with},
                        std::move(blocks), 1);
  basin_test::stir(model);
  check_gradients(model);
  auto const tokens = basin_test::some_tokens(3, length, vocabulary);
  auto const logits = model.forward(tokens, 1, length);
  std::vector<double> const kept_nothing(logits.begin(), logits.end());
  auto const again = model.forward(tokens, 1, length, lm::unchanged{}, lm::activations::keep);
  CHECK(std::ranges::equal(again, kept_nothing));
}

TEST_CASE("a model of blocks that differ by type has the gradients of each", "[property][layer]") {
  lm::host on;
  auto const sizes = block_of(lm::norm_kind::rms, lm::mlp_kind::swiglu, lm::linear_bias::without);
  lm::transformer model(on, {.vocabulary = vocabulary, .dim = dim, .context = length},
                        std::tuple{lm::make_block<double>(on, sizes, attention<>{}),
                                   lm::make_block<double>(on, sizes, attention<>{}.with(sparsemax{}).with(causal{})),
                                   lm::make_block<double>(on, sizes, attention<>{}.with(sink_logit{}))},
                        1);
  basin_test::stir(model);
  check_gradients(model);
  CHECK(model.parameters().back().name == "head.weight");
  int seen = 0;
  model.for_each_layer([&](int l, auto& layer) { seen += l == 0 || layer.config().heads == 2; });
  CHECK(seen == 3);
}

TEST_CASE("learned positions count in whole sequences and in decoding", "[property][layer]") {
  lm::host on;
  auto sizes = block_of(lm::norm_kind::layer, lm::mlp_kind::gelu, lm::linear_bias::with);
  sizes.attention.positions.reset();
  lm::transformer model(on,
                        {.vocabulary = vocabulary, .dim = dim, .context = 9, .positions = lm::position_table::learned},
                        std::tuple{lm::make_block(on, sizes, attention<>{}.with(causal{}))}, 1);
  basin_test::stir(model);
  auto const tokens = basin_test::some_tokens(2, 18, vocabulary);  // two sequences of nine
  auto const logits = model.forward(tokens, 2, 9);
  std::vector<float> const whole(logits.begin(), logits.end());
  auto cache = model.make_cache(2);
  for (int i = 0; i < 9; i += 3) {
    std::vector<int> next(tokens.begin() + i, tokens.begin() + i + 3);
    next.insert(next.end(), tokens.begin() + 9 + i, tokens.begin() + 12 + i);
    auto const now = model.extend(cache, next);
    for (int b = 0; b < 2; ++b)
      for (int n = 0; n < 3 * vocabulary; ++n)
        CHECK(now[std::size_t(b * 3 * vocabulary + n)] ==
              basin_test::Approx(whole[std::size_t((b * 9 + i) * vocabulary + n)]).epsilon(1e-4).margin(1e-4));
  }
}

TEST_CASE("blocks that make no model are refused", "[unit][layer][errors]") {
  lm::host on;
  using basin_test::ContainsSubstring;
  auto const sizes = block_of(lm::norm_kind::rms, lm::mlp_kind::swiglu, lm::linear_bias::without);
  auto const block = [&] { return std::tuple{lm::make_block(on, sizes, attention<>{})}; };
  CHECK_THROWS_WITH(lm::transformer(on, {.vocabulary = 0, .dim = dim, .context = 4}, block(), 1),
                    ContainsSubstring("vocabulary is 0"));
  CHECK_THROWS_WITH(lm::transformer(on, {.vocabulary = 5, .dim = 12, .context = 4}, block(), 1),
                    ContainsSubstring("dim is 12, but the attention of layer 0 has dim 8"));
  auto no_mlp = sizes;
  no_mlp.mlp.hidden = 0;
  CHECK_THROWS_WITH(lm::make_block(on, no_mlp, attention<>{}), ContainsSubstring("hidden is 0"));
}

}  // namespace basin
