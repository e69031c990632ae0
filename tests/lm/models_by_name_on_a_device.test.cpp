// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers include/basin/lm/policies/normalizers_on_device.hpp: models with policies by name on a device against those on
// the host. The device is that of transformer_on_a_device.test.cpp
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "basin/lm/policies/normalizers_on_device.hpp"

#include <device_under_test.hpp>
#include "basin/lm/devices/shared_vector.hpp"
#include "basin/lm/models/llama.hpp"
#include "basin/lm/objectives/objectives.hpp"
#include "lm/close_numbers.hpp"
#include "lm/small_model.hpp"
#include "programs/normalizers_by_name.hpp"
#include "support/catch.hpp"

namespace basin {

using basin_test::device_under_test;
using basin_test::require_close;
using basin_test::some_tokens;
using basin_test::stir;

namespace {

template <class Device>
using by_name_on = lm::llama<lm::attention_by_name, float, Device>;

/// Four heads, two of which share a key head.
template <class Device>
by_name_on<Device> model_of(std::string const& text) {
  auto sizes = basin_test::small();
  sizes.dim = 16, sizes.heads = 4, sizes.kv_heads = 2;
  by_name_on<Device> made(
      sizes, 5, {programs::normalizers_by_name(), text, sizes.layers, sizes.heads, {causal{}}});
  stir(made);
  return made;
}

lm::training_batch some_batch() {
  return {2, 5, some_tokens(1, 10), some_tokens(2, 10), std::vector<float>(10, 0.1f)};
}

std::string const mixed =
    "softmax; layer 0: entmax15; layer 0: unmasked; layer 1 head 0: top_k:k=2; layer 1 heads 2-3: "
    "sink_logit:learned,logit=0.5; layer 1: sliding_window:left=3,right=0; layer 1: alibi";

}  // namespace

TEST_CASE("a model by name on a device has the logits, the loss and the gradients of that on the host",
          "[parity][policies][device]") {
  auto const text = GENERATE(as<std::string>{}, mixed,
                             "softmax; layer 1: ssmax:learned; layer 0: soft_cap:cap=2; layer 0: head_gate; qk_norm",
                             "sink_logit:learned,logit=-1; heads 1-2: softmax; layer 0 heads 0-1: top_k:k=3",
                             "log_n:trained=3; layer 1: softmax:temperature=0.5");
  INFO(text);
  auto host = model_of<lm::host>(text);
  auto device = model_of<device_under_test>(text);
  auto const tokens = some_tokens(3, 12);
  require_close(host.forward(tokens, 2, 6), device.forward(tokens, 2, 6));
  auto const data = some_batch();
  for (int step = 0; step < 2; ++step) {
    host.clear_gradients(), device.clear_gradients();
    double const loss = lm::accumulate(host, data);
    CHECK(std::abs(lm::accumulate(device, data) - loss) <= 500 * basin_test::eps_of<float> * loss);
    device.fetch();
    for (std::size_t n = 0; n < host.parameters().size(); ++n) {
      CAPTURE(step, host.parameters()[n].name);
      require_close(host.parameters()[n].gradient, device.parameters()[n].gradient);
    }
  }
}

TEST_CASE("steps of training a model by name on a device are those on the host, learned numbers included",
          "[parity][policies][device]") {
  auto host = model_of<lm::host>(mixed);
  auto device = model_of<device_under_test>(mixed);
  by_name_on<lm::host>::moments of_host;
  by_name_on<device_under_test>::moments of_device;
  auto const step = [&](auto& model, auto& moments) {
    model.clear_gradients();
    lm::accumulate(model, some_batch());
    return model.step(moments, 1e-2, {.epsilon = 1e-4});
  };
  for (int n = 0; n < 2; ++n) {
    double const norm = step(host, of_host);
    CHECK(std::abs(step(device, of_device) - norm) <= 1000 * basin_test::eps_of<float> * norm);
  }
  device.fetch();
  int learned = 0;
  for (std::size_t n = 0; n < host.parameters().size(); ++n) {
    auto const& of = host.parameters()[n];
    CAPTURE(of.name);
    require_close(of.values, device.parameters()[n].values);
    if (of.name != "layers.1.attention.sink_logit.logit") continue;
    ++learned;
    CHECK(of.gradient[0] == 0);
    CHECK(device.parameters()[n].gradient[0] == 0);              // top_k has no logit
    CHECK(device.parameters()[n].gradient[3] != 0);
  }
  CHECK(learned == 1);
}

TEST_CASE("a cache of a model by name on a device gives the logits of whole sequences", "[parity][policies][device]") {
  auto device = model_of<device_under_test>("softmax; layer 0: entmax15; layer 1 head 0: top_k:k=2; layer 1: alibi");
  auto const tokens = some_tokens(5, 9);
  auto const logits = device.forward(tokens, 1, 9);
  std::vector<float> const whole(logits.begin(), logits.end());
  auto cache = device.make_cache();
  device.extend(cache, std::span(tokens).first(4));
  require_close(std::span(whole).subspan(4 * 7), device.extend(cache, std::span(tokens).subspan(4)));
}

TEST_CASE("an Adapt hides keys from a model by name on a device, and records the attention that each receives",
          "[parity][policies][device]") {
  auto* const memory = device_under_test::shared_memory();
  lm::shared_vector<std::uint8_t> hidden(4 * 6, memory);
  hidden[1] = hidden[3 * 6 + 4] = 1;
  struct watch {
    lm::shared_vector<double>* to;
    lm::shared_vector<std::uint8_t> const* hidden;
    auto operator()(int l, lm::attention_by_name use) const {
      return use.with(drop_keys{contiguous(hidden->data(), 1, 4, 6)})
          .with(received_attention{contiguous(to->data() + l * 4 * 6, 1, 4, 6)});
    }
  };
  lm::shared_vector<double> on_host(2 * 4 * 6, memory), on_device(2 * 4 * 6, memory);
  auto host = model_of<lm::host>(mixed);
  auto device = model_of<device_under_test>(mixed);
  auto const tokens = some_tokens(7, 6);
  require_close(host.forward(tokens, 1, 6, watch{&on_host, &hidden}),
                device.forward(tokens, 1, 6, watch{&on_device, &hidden}));
  for (std::size_t j = 0; j < on_host.size(); ++j)
    CHECK(std::abs(on_host[j] - on_device[j]) <= 500 * basin_test::eps_of<float> * 6);
  CHECK(on_device[1] == 0);
  CHECK(on_device[3 * 6 + 4] == 0);
}

TEST_CASE("a normalizer that a device has no kernels for is refused when the model is made",
          "[unit][policies][device][errors]") {
  auto const refused = [](char const* text, char const* why) {
    CAPTURE(text);
    CHECK_THROWS_AS(model_of<device_under_test>(text), unsupported_error);
    CHECK_THROWS_WITH(model_of<device_under_test>(text), basin_test::ContainsSubstring(why));
    CHECK_NOTHROW(model_of<lm::host>(text));
  };
  refused("softmax; layer 1 head 2: relu",
          "head 2 of a layer has the normalizer relu:power=1, for which the device has no kernels; it has: softmax, ");
  refused("entmax15*log_n", "entmax15*log_n:trained=512, for which the device has no kernels; it has: softmax, ");
  refused("sparsemax", "entmax15, softmax with a law; choose one of these, run the model on the host, or build");
}

}  // namespace basin
