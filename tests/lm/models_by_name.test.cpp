// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/policies/model_normalizers.hpp: normalizers by layer and head in a model, and the gradients of their
// learned numbers.
#include "basin/lm/policies/model_normalizers.hpp"

#include "basin/lm/models/llama.hpp"
#include "basin/mask/causal.hpp"
#include "families.hpp"
#include "support/catch.hpp"

namespace basin_test {

namespace {

namespace lm = basin::lm;
template <class T>
using model = lm::llama<lm::attention_by_name, T>;

lm::llama_config const small{
    .vocabulary = 7, .dim = 12, .layers = 2, .heads = 2, .kv_heads = 1, .hidden = 10, .context = 9};
std::vector<int> const tokens{3, 1, 4, 1, 5, 2, 6, 5, 3, 5};

template <class T>
model<T> model_of(std::string_view text) {
  model<T> made(small, 5, {normalizers_of<T>(), text, small.layers, small.heads, {basin::causal{}}});
  for (auto const& p : made.parameters())
    if (p.shape.size() == 2)
      for (T& x : p.values) x *= 20;                             // so that every nonlinearity matters
  return made;
}

/// A loss of all logits.
template <class T>
double loss_of(model<T>& of) {
  auto const logits = of.forward(tokens, 2, 5);
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i)
    sum += static_cast<double>(logits[i]) * static_cast<double>(i % 7) / 7;
  return sum;
}

}  // namespace

TEST_CASE("learned numbers are tensors of the model, named by layer, policy and number, with a value a head",
          "[unit][policies]") {
  auto const made = model_of<float>(
      "softmax; layer 1: sink_logit:learned,logit=0.5; layer 1 head 1: entmax:learned,alpha=1.25*asentmax:learned");
  std::vector<std::string> found;
  auto copy = made.twin();
  for (auto const& p : copy.parameters())
    if (p.shape == std::vector<basin::index_t>{2}) found.push_back(p.name);
  CHECK(found == std::vector<std::string>{"layers.1.attention.sink_logit.logit", "layers.1.attention.entmax.alpha",
                                          "layers.1.attention.asentmax.beta", "layers.1.attention.asentmax.gamma"});
  for (auto const& p : copy.parameters())
    if (p.name == "layers.1.attention.entmax.alpha") CHECK(p.values[1] == 1.25f);
}

TEST_CASE("gradients of a model with normalizers by layer and head are finite differences, learned numbers included",
          "[property][policies]") {
  auto texts = normalizers_of<double>().names();                 // the whole catalogue
  for (char const* const more :
       {"softmax; layer 1: sink_logit:learned,logit=0.5; layer 0 head 1: entmax:learned,alpha=1.25", "asentmax:learned",
        "ssmax:learned; layer 1: sigmoid", "self_adjusted; layer 0: top_k:k=2", "entmax:learned*log_n:trained=4",
        "softmax; layer 0: sliding_window:left=2; layer 1: prefix:length=3", "entmax15; soft_cap:cap=2; gate; qk_norm",
        "softmax; alibi; layer 1: head_gate; layer 0: unmasked"})
    texts.emplace_back(more);
  for (auto const& text : texts) {
    auto of = model_of<double>(text);
    auto const logits = of.forward(tokens, 2, 5, lm::unchanged{}, lm::activations::keep);
    std::vector<double> dlogits(logits.size());
    for (std::size_t i = 0; i < dlogits.size(); ++i) dlogits[i] = static_cast<double>(i % 7) / 7;
    of.clear_gradients();
    of.backward(dlogits);
    of.fetch();
    for (auto const& p : of.parameters()) {
      bool const learned = p.shape.size() == 1 && p.name.find(".attention.") != std::string::npos;
      for (std::size_t i = 0; i < p.values.size(); i += learned ? 1 : 1 + p.values.size() / 3) {
        double const before = p.values[i], step = learned ? 0x1p-15 : 0x1p-18;
        p.values[i] = before + step;
        double const up = loss_of(of);
        p.values[i] = before - step;
        double const slope = (up - loss_of(of)) / (2 * step);
        p.values[i] = before;
        CAPTURE(text, p.name, i);
        CHECK(std::fabs(p.gradient[i] - slope) <=
              1e-4 * (1 + std::fabs(slope)));  // learned numbers are floats: 2^-24 / 2^-15 of the slope
      }
    }
  }
}

TEST_CASE("a layer and a head of a model use the normalizer that they are given", "[unit][policies]") {
  auto all = model_of<float>("softmax; layer 1: relu"), none = model_of<float>("softmax");
  CHECK(loss_of(all) != loss_of(none));
  struct first_layer {
    std::vector<std::string> said;
    lm::attention_by_name operator()(int layer, lm::attention_by_name use) {
      if (layer == 1) use.normalize.validate(basin::problem{1, 2, 1, 5, 5, 6, 6});
      return use;
    }
  };
  CHECK_NOTHROW(all.forward(tokens, 2, 5, first_layer{}));
}

TEST_CASE("normalizers that do not fit a model are refused before it is made", "[unit][policies][errors]") {
  auto const refused = [](char const* text, char const* why) {
    CAPTURE(text);
    CHECK_THROWS_WITH(model_of<float>(text), ContainsSubstring(why));
  };
  refused("softmax; layer 2: relu", "layer 2 is given relu, but the model has 2 layers");
  refused("softmax; layer 1 head 2: relu", "head 2 is given relu, but the model has 2 heads");
  refused("softmax; layer 1: relu; layer 1: top_k", "given both relu and top_k");
  refused("sofmax", "there is no policy 'sofmax'");
}

}  // namespace basin_test
