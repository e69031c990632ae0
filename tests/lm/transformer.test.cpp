// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers include/basin/lm/transformer.hpp, key_value_cache.hpp and llama_config.hpp
#include "basin/lm/models/llama.hpp"

#include <omp.h>

#include <array>
#include <cmath>
#include <vector>

#include "basin/mask/causal.hpp"
#include "basin/nn/cross_entropy.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/prune/drop_keys.hpp"
#include "lm/small_model.hpp"
#include "nn/gradients.hpp"

namespace basin {

using basin_test::Approx;
using basin_test::small;
using basin_test::some_tokens;
using basin_test::stir;
using lm::activations;
using lm::unchanged;

namespace {

using causal_attention = decltype(attention<>{}.with(causal{}));

template <class Model>
double loss_of(Model& model, std::vector<int> const& tokens, std::vector<int> const& targets, int batch) {
  auto const logits = model.forward(tokens, batch, static_cast<int>(tokens.size()) / batch);
  std::vector<double> const weights(tokens.size(), 0.25);
  std::vector<double> losses(tokens.size());
  auto const seen = contiguous(logits.data(), std::ssize(tokens), model.config().vocabulary);
  return nn::cross_entropy_forward(nn::host{}, seen, targets, weights, std::span(losses));
}

template <class Model>
void backward_of(Model& model, std::vector<int> const& tokens, std::vector<int> const& targets, int batch) {
  auto const logits =
      model.forward(tokens, batch, static_cast<int>(tokens.size()) / batch, unchanged{}, activations::keep);
  std::vector<double> const weights(tokens.size(), 0.25);
  std::vector<double> dlogits(logits.size());
  index_t const rows = std::ssize(tokens), vocabulary = model.config().vocabulary;
  nn::cross_entropy_backward(nn::host{}, contiguous(logits.data(), rows, vocabulary), targets, weights,
                             contiguous(dlogits.data(), rows, vocabulary));
  model.backward(dlogits);
}

template <class Model>
std::vector<float> run(Model& model, std::vector<int> const& tokens, int batch) {
  auto const logits = model.forward(tokens, batch, static_cast<int>(tokens.size()) / batch);
  return {logits.begin(), logits.end()};
}

}  // namespace

TEMPLATE_TEST_CASE("the gradients of a transformer are its finite differences", "[property][models]", attention<>,
                   causal_attention) {
  auto const head = GENERATE(lm::output_head::untied, lm::output_head::tied);
  lm::llama<TestType, double> model(small(head));
  stir(model);
  auto const tokens = some_tokens(1, 10, 7), targets = some_tokens(2, 10, 7);
  backward_of(model, tokens, targets, 2);
  auto const loss = [&] { return loss_of(model, tokens, targets, 2); };
  for (auto const& p : model.parameters()) {
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < p.values.size(); ++i) {
      worst = std::max(worst, std::abs(nn_test::finite_difference(p.values[i], loss) - p.gradient[i]));
      largest = std::max(largest, std::abs(p.gradient[i]));
    }
    CAPTURE(p.name, largest);
    CHECK(worst <= 1e-8);  // a loss of the order of 10 whose fifth derivatives reach 1e10, see nn/gradients.hpp
    CHECK(largest > 1e-3);  // a gradient that is not there would agree with a loss that does not see the weight
  }
}

TEST_CASE("gradients accumulate until they are cleared", "[unit][models]") {
  lm::llama<attention<>, double> model(small());
  auto const tokens = some_tokens(1, 6, 7);
  backward_of(model, tokens, tokens, 1);
  std::vector<double> const once(model.parameters()[2].gradient.begin(), model.parameters()[2].gradient.end());
  backward_of(model, tokens, tokens, 1);
  for (std::size_t i = 0; i < once.size(); ++i)
    CHECK(model.parameters()[2].gradient[i] == Approx(2 * once[i]).margin(1e-15));
  nn::clear_gradients(model.parameters());
  for (double const g : model.parameters()[2].gradient) CHECK(g == 0);
}

TEST_CASE("keeping activations changes no bit of the logits", "[property][models]") {
  lm::llama<causal_attention> model(small());
  auto const tokens = some_tokens(3, 18, 7);
  auto const discarded = run(model, tokens, 2);
  auto const kept = model.forward(tokens, 2, 9, unchanged{}, activations::keep);
  CHECK(std::vector<float>(kept.begin(), kept.end()) == discarded);
}

TEST_CASE("a causal transformer does not see the future, an unmasked one does", "[property][models]") {
  lm::llama<causal_attention> causal_model(small());
  lm::llama<attention<>> full_model(small());
  stir(causal_model);
  stir(full_model);
  auto const tokens = some_tokens(4, 8, 7);
  auto changed = tokens;
  changed.back() = (changed.back() + 1) % 7;
  std::size_t const before_last = 7 * 7;
  auto const same_start = [&](auto& model) {
    auto const a = run(model, tokens, 1), b = run(model, changed, 1);
    return std::equal(a.begin(), a.begin() + before_last, b.begin());
  };
  CHECK(same_start(causal_model));
  CHECK_FALSE(same_start(full_model));
}

TEST_CASE("extending a cache in any pieces gives the logits of the whole sequence", "[property][models]") {
  lm::llama<causal_attention, double> model(small());
  stir(model);
  auto const tokens = some_tokens(5, 9, 7);
  auto const logits = model.forward(tokens, 1, 9);
  std::vector<double> const whole(logits.begin(), logits.end());
  auto const pieces = GENERATE(std::vector<int>{9}, std::vector<int>(9, 1), std::vector<int>{4, 1, 3, 1});
  auto cache = model.make_cache();
  std::size_t at = 0;
  for (int const n : pieces) {
    auto const next = model.extend(cache, std::span(tokens).subspan(at, n));
    for (std::size_t i = 0; i < next.size(); ++i)
      CHECK(next[i] == Approx(whole[at * 7 + i]).epsilon(1e-10).margin(1e-12));
    at += n;
  }
  CHECK(cache.length() == 9);
  cache.truncate(5);
  auto const again = model.extend(cache, std::span(tokens).subspan(5, 1));
  for (std::size_t i = 0; i < 7; ++i) CHECK(again[i] == Approx(whole[5 * 7 + i]).epsilon(1e-10).margin(1e-12));
}

TEST_CASE("sequences of a batch do not see each other", "[property][models]") {
  lm::llama<attention<>, double> model(small());
  stir(model);
  auto const tokens = some_tokens(6, 10, 7);
  auto const both = model.forward(tokens, 2, 5);
  std::vector<double> const kept(both.begin(), both.end());
  auto const second = model.forward(std::span(tokens).subspan(5), 1, 5);
  for (std::size_t i = 0; i < second.size(); ++i) CHECK(second[i] == Approx(kept[35 + i]).epsilon(1e-12));
}

TEST_CASE("a layer's attention can be exchanged, observed and looked at", "[unit][models]") {
  lm::llama<attention<>> model(small());
  auto const tokens = some_tokens(7, 6, 7);
  auto const plain = run(model, tokens, 1);
  struct watch {
    std::vector<double>* received;
    int* seen;
    auto operator()(int l, attention<> use) const {
      return use.with(received_attention{contiguous(received->data() + l * 2 * 6, 1, 2, 6)});
    }
    void projected(int, view<float const, 4> q, view<float const, 4> k) const {
      *seen += q.extent(1) == 2 && k.extent(1) == 1 && q.extent(2) == 6 && k.extent(3) == 6;
    }
  };
  std::vector<double> received(2 * 2 * 6);
  int seen = 0;
  auto const logits = model.forward(tokens, 1, 6, watch{&received, &seen});
  CHECK(std::vector<float>(logits.begin(), logits.end()) == plain);
  CHECK(seen == 2);
  for (int layer_head = 0; layer_head < 4; ++layer_head) {  // every query gives a mass of 1
    double mass = 0;
    for (int j = 0; j < 6; ++j) mass += received[static_cast<std::size_t>(layer_head * 6 + j)];
    CHECK(mass == Approx(6));
  }
}

TEST_CASE("a transformer has the same bits for any number of threads", "[property][models]") {
  lm::llama_config const c{
      .vocabulary = 70, .dim = 64, .layers = 2, .heads = 4, .kv_heads = 2, .hidden = 96, .context = 64};
  auto const tokens = some_tokens(8, 256, 70);
  auto const gradients = [&](int threads) {
    omp_set_num_threads(threads);
    lm::llama<causal_attention> model(c, 3);
    auto const logits = model.forward(tokens, 4, 64, unchanged{}, activations::keep);
    std::vector<float> const dlogits(logits.begin(), logits.end());
    model.backward(dlogits);
    std::vector<float> all(dlogits);
    for (auto const& p : model.parameters()) all.insert(all.end(), p.gradient.begin(), p.gradient.end());
    return all;
  };
  int const before = omp_get_max_threads();
  auto const one = gradients(1);
  CHECK(gradients(2) == one);
  CHECK(gradients(3) == one);
  omp_set_num_threads(before);
}

TEST_CASE("parameters have names, shapes and the promised first values", "[unit][models]") {
  lm::llama<attention<>> model(
      {.vocabulary = 50, .dim = 64, .layers = 8, .heads = 4, .kv_heads = 2, .hidden = 96, .context = 16}, 1);
  auto const all = model.parameters();
  CHECK(all.size() == 1 + 8 * 9 + 2);
  CHECK(all[0].name == "embedding.weight");
  CHECK(all[2].name == "layers.0.attention.query.weight");
  CHECK(all[3].shape == std::vector<index_t>{32, 64});
  CHECK(all.back().name == "head.weight");
  for (auto const& p : all) {
    double square = 0;
    for (float const x : p.values) square += double{x} * x;
    double const spread = std::sqrt(square / static_cast<double>(p.values.size()));
    bool const residual = p.name.ends_with("output.weight") || p.name.ends_with("down.weight");
    CAPTURE(p.name);
    // the relative spread of a standard deviation from n normals is 1 / sqrt(2 n); n >= 2048: five of them are 8 %
    CHECK(spread == Approx(p.shape.size() == 1 ? 1.0 : residual ? 0.02 / 4 : 0.02).epsilon(0.08));
  }
  lm::llama<attention<>> tied({.vocabulary = 50,
                                         .dim = 64,
                                         .layers = 1,
                                         .heads = 4,
                                         .kv_heads = 2,
                                         .hidden = 96,
                                         .context = 16,
                                         .head = lm::output_head::tied});
  CHECK(tied.parameters().back().name == "norm.weight");
}

TEST_CASE("a transformer refuses what it cannot do, and says why", "[unit][models]") {
  using model_type = lm::llama<causal_attention>;
  auto wrong = small();
  wrong.heads = 5;
  CHECK_THROWS_AS(model_type(wrong), value_error);
  wrong = small();
  wrong.layers = 0;
  CHECK_THROWS_AS(model_type(wrong), value_error);
  model_type model(small());
  CHECK_THROWS_AS(model.forward(some_tokens(1, 6, 7), 1, 5), shape_error);
  CHECK_THROWS_AS(model.forward(some_tokens(1, 10, 7), 1, 10), shape_error);
  CHECK_THROWS_AS(model.forward(std::vector<int>{1, 7}, 1, 2), value_error);
  CHECK_THROWS_AS(model.forward(std::vector<int>{}, 1, 0), shape_error);
  CHECK_THROWS_AS(model.backward(std::vector<float>(7)), value_error);
  model.forward(some_tokens(1, 2, 7), 1, 2, unchanged{}, activations::keep);
  CHECK_THROWS_AS(model.backward(std::vector<float>(13)), shape_error);
  model.backward(std::vector<float>(14));
  CHECK_THROWS_AS(model.backward(std::vector<float>(14)), value_error);
  auto cache = model.make_cache();
  model.extend(cache, some_tokens(1, 8, 7));
  CHECK_THROWS_AS(model.extend(cache, some_tokens(1, 2, 7)), shape_error);
  CHECK(cache.length() == 8);
  CHECK_THROWS_AS(cache.truncate(9), value_error);
  auto other = small();
  other.kv_heads = 2;
  auto foreign = model_type(other).make_cache();
  CHECK_THROWS_AS(model.extend(foreign, some_tokens(1, 2, 7)), shape_error);
}

}  // namespace basin
