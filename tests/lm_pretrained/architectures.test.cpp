// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/pretrained/ and lm/models/decoder.hpp: tiny checkpoints of every architecture against PyTorch
// (fixtures/make_pretrained.py).
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "basin/lm/pretrained/load.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "pretrained.hpp"
#include "support/catch.hpp"

namespace basin {

namespace {

using namespace pretrained_test;

std::filesystem::path const fixtures = BASIN_PRETRAINED_FIXTURES;
/// Stored gradients, under the names of the tensors that they are of.
lm::tensor_store gradients_of(lm::tensor_store const& expected) {
  std::vector<lm::stored_tensor> all;
  for (auto one : expected.tensors())
    if (one.name.starts_with("grad.")) one.name.erase(0, 5), all.push_back(one);
  return {expected.origin(), all, {}};
}

}  // namespace

TEST_CASE("a published checkpoint has the logits and the gradients that PyTorch computes", "[parity][pretrained]") {
  std::string const name = GENERATE("bert", "dream", "gpt2", "llada", "llama", "llama_tied", "mdlm", "qwen2", "qwen3");
  CAPTURE(name);
  auto const files = lm::open_pretrained(fixtures / name);
  auto const expected = lm::open_safetensors(fixtures / name / "expected.safetensors");
  auto model = load(files.model, files.tensors);
  auto const tokens = tokens_of(expected, "tokens"), targets = tokens_of(expected, "targets");
  int const length = static_cast<int>(tokens.size());
  auto const logits = model.forward(tokens, 1, length, lm::unchanged{}, lm::activations::keep);
  CHECK(relative_distance(logits, values_of(expected, "logits")) <= 2e-5);

  std::vector<float> dlogits(logits.begin(), logits.end());
  auto const rows = contiguous(dlogits.data(), length, index_t{model.vocabulary()});
  std::vector<float> const weights(tokens.size(), 1.0f / static_cast<float>(length));
  model.clear_gradients();
  model.cross_entropy(rows, targets, weights);
  CHECK(model.loss() == basin_test::Approx(values_of(expected, "loss")[0]).epsilon(2e-6));
  model.backward(std::span<float const>(dlogits));
  auto const gradients = gradients_of(expected);
  lm::detail::pretrained_tensors const stored(files.model, gradients);
  std::size_t compared = 0;
  for (auto const& p : model.parameters()) {
    bool const is_folded = name == "mdlm" && (p.name.find("output.weight") != std::string::npos ||
                                              p.name.find("mlp.down") != std::string::npos);
    if (!stored.has(p.name) || is_folded) continue;
    std::vector<float> theirs(p.values.size());
    stored.read(p.name, p.shape, theirs);
    CAPTURE(p.name);
    CHECK(relative_distance(p.gradient, theirs, 1e-3) <= 1e-4);  // that of a key's bias is 0 without rounding errors
    ++compared;
  }
  CHECK(compared >= (name == "mdlm" ? 12u : model.parameters().size() - 1));
}

TEST_CASE("a policy with learned numbers is refused, because a published checkpoint has none", "[unit][pretrained]") {
  std::string const name = GENERATE("bert", "llama", "mdlm");
  auto const files = lm::open_pretrained(fixtures / name);
  lm::registry known;
  known.add<sink_logit, float>();
  lm::model_policies const policies(known, "sink_logit:learned", files.model.shape.layers, 4,
                                    lm::usual_mask(files.model));
  model_type model(files.model.shape, std::nullopt, policies);
  CHECK_THROWS_WITH(lm::read_weights(model, files.model, files.tensors),
                    basin_test::ContainsSubstring("has no tensor 'layers.0.attention.sink_logit.logit'"));
}

TEST_CASE("what a checkpoint is stands in its configuration", "[unit][pretrained]") {
  auto const of = [](std::string const& name) { return lm::open_pretrained(fixtures / name).model; };
  CHECK(of("gpt2").sees == lm::attention_span::causal);
  CHECK(of("gpt2").end_tokens == std::vector<int>{2});
  CHECK(of("llada").about == lm::logits_of::this_token);
  CHECK(of("llada").mask_token == 31);
  CHECK(of("dream").sees == lm::attention_span::full);
  CHECK(of("dream").about == lm::logits_of::next_token);
  CHECK(of("dream").mask_token == 31);
  CHECK(of("bert").shape.sizes.order == lm::norm_order::post);
  CHECK(of("llama_tied").shape.sizes.head == lm::output_head::tied);
}

}  // namespace basin
