// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers include/basin/lm/devices/host.hpp: a transformer on a device against that on the host. The device is the host
// with one fiber a CUDA thread, or a GPU where tests/gpu.sh builds this: device_under_test.hpp of either folder
#include <cmath>
#include <vector>

#include "basin/mask/causal.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/prune/drop_keys.hpp"
#include <device_under_test.hpp>
#include "basin/lm/devices/shared_vector.hpp"
#include "basin/lm/models/llama.hpp"
#include "basin/lm/objectives/objectives.hpp"
#include "lm/close_numbers.hpp"
#include "lm/small_model.hpp"
#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace basin {

using basin_test::device_under_test;
using basin_test::require_close;
using basin_test::small;
using basin_test::some_tokens;
using basin_test::stir;
using lm::activations;
using lm::unchanged;

namespace {

using causal_attention = decltype(attention<>{}.with(causal{}));
template <class Attention>
using on_device = lm::llama<Attention, float, device_under_test>;
template <class Attention>
using on_host = lm::llama<Attention, float>;

std::vector<float> copied(std::span<float const> x) { return {x.begin(), x.end()}; }

template <class Attention>
lm::training_batch some_batch() {
  lm::training_batch data{2, 5, some_tokens(1, 10), some_tokens(2, 10), std::vector<float>(10, 0.1f)};
  data.weights[3] = 0, data.targets[3] = -1;
  return data;
}

}  // namespace

TEMPLATE_TEST_CASE("a transformer on a device has the logits, the loss and the gradients of that on the host",
                   "[parity][models][device]", attention<>, causal_attention) {
  auto const head = GENERATE(lm::output_head::untied, lm::output_head::tied);
  on_host<TestType> host(small(head));
  on_device<TestType> device(small(head));
  stir(host), stir(device);
  auto const tokens = some_tokens(3, 12);
  require_close(host.forward(tokens, 2, 6), device.forward(tokens, 2, 6));
  auto const data = some_batch<TestType>();
  double const loss = lm::accumulate(host, data);
  CHECK(std::abs(lm::accumulate(device, data) - loss) <= 500 * basin_test::eps_of<float> * loss);
  device.fetch();
  for (std::size_t n = 0; n < host.parameters().size(); ++n) {
    CAPTURE(host.parameters()[n].name);
    require_close(host.parameters()[n].gradient, device.parameters()[n].gradient);
  }
}

TEST_CASE("every part of a block on a device is that on the host", "[parity][models][device]") {
  auto const norm = GENERATE(lm::norm_kind::rms, lm::norm_kind::layer);
  auto const mlp = GENERATE(lm::mlp_kind::gelu, lm::mlp_kind::gelu_tanh);
  auto const gate = GENERATE(lm::output_gate::elementwise, lm::output_gate::per_head);
  lm::block_config const sizes{.attention = {.dim = 12,
                                             .heads = 2,
                                             .kv_heads = 1,
                                             .bias = lm::projection_bias::all,
                                             .projections = lm::linear_products::separate,
                                             .head_norm = lm::qk_norm::rms,
                                             .gate = gate,
                                             .positions = lm::rotary_config{
                                                 .pairing = nn::rope_pairing::neighbours,
                                                 .scaling = nn::linear_scaling{2}},
                                             .context = 9},
                               .norm = {norm, 1e-3f},
                               .mlp = {mlp, 10, lm::linear_bias::with}};
  lm::model_sizes const shape{.vocabulary = 7,
                              .dim = 12,
                              .context = 9,
                              .positions = lm::position_table::learned,
                              .norm = {norm, 1e-3f}};
  auto const model_on = [&](auto on) {
    auto block = lm::make_block(on, sizes, attention<>{}.with(causal{}));
    auto learning = lm::make_block(on, sizes, attention<>{}.with(causal{}).with(sink_logit{{.value = 0.5}}));
    return lm::transformer(on, shape, std::tuple{std::move(block), std::move(learning)}, 1);
  };
  auto host = model_on(lm::host{});
  auto device = model_on(device_under_test{});
  stir(host), stir(device);
  auto const data = some_batch<attention<>>();
  double const loss = lm::accumulate(host, data);
  CHECK(std::abs(lm::accumulate(device, data) - loss) <= 500 * basin_test::eps_of<float> * loss);
  device.fetch();
  for (std::size_t n = 0; n < host.parameters().size(); ++n) {
    CAPTURE(host.parameters()[n].name);
    require_close(host.parameters()[n].gradient, device.parameters()[n].gradient);
    CHECK((!host.parameters()[n].name.ends_with("logit") || device.parameters()[n].gradient[0] != 0));
  }
  auto const tokens = some_tokens(5, 9);
  auto const whole = copied(device.forward(tokens, 1, 9));
  auto cache = device.make_cache();
  device.extend(cache, std::span(tokens).first(4));
  require_close(std::span(whole).subspan(4 * 7), copied(device.extend(cache, std::span(tokens).subspan(4))));
}

TEST_CASE("gradients on a device come from the host too, add up, and are cleared", "[parity][models][device]") {
  on_host<attention<>> host(small());
  on_device<attention<>> device(small());
  stir(host), stir(device);
  auto const tokens = some_tokens(3, 6);
  auto const dlogits = copied(host.forward(tokens, 1, 6, unchanged{}, activations::keep));
  host.backward(dlogits);
  for (int times = 0; times < 2; ++times) {
    device.forward(tokens, 1, 6, unchanged{}, activations::keep);
    device.backward(dlogits);
  }
  device.fetch();
  for (std::size_t n = 0; n < host.parameters().size(); ++n) {
    std::vector<float> twice = copied(host.parameters()[n].gradient);
    for (float& g : twice) g *= 2;
    require_close(twice, device.parameters()[n].gradient);
  }
  CHECK_THROWS_AS(device.backward(dlogits), value_error);
  device.clear_gradients();
  device.fetch();
  for (auto const& p : device.parameters())
    for (float const g : p.gradient) REQUIRE(g == 0);
}

TEMPLATE_TEST_CASE("steps of training on a device are those of the host, and resume there", "[parity][models][device]",
                   attention<>, causal_attention) {
  on_host<TestType> host(small());
  on_device<TestType> device(small()), resumed(small());
  stir(host), stir(device);
  typename on_host<TestType>::moments of_host;
  typename on_device<TestType>::moments of_device;
  auto const data = some_batch<TestType>();
  auto const step = [&](auto& model, auto& moments) {
    model.clear_gradients();
    lm::accumulate(model, data);
    return model.step(moments, 1e-2, {.epsilon = 1e-4});
  };
  for (int n = 0; n < 3; ++n) {
    double const norm = step(host, of_host);
    CHECK(std::abs(step(device, of_device) - norm) <= 1000 * basin_test::eps_of<float> * norm);
    if (n != 1) continue;
    device.fetch();                                              // what a checkpoint holds
    auto const saved = device.fetch(of_device);
    CHECK(saved.steps == 2);
    nn::copy_values(device.parameters(), resumed.parameters());
    resumed.send();
    auto again = resumed.send(saved);
    step(resumed, again);
  }
  device.fetch(), resumed.fetch();
  for (std::size_t n = 0; n < host.parameters().size(); ++n) {
    require_close(host.parameters()[n].values, device.parameters()[n].values);
    CHECK(copied(device.parameters()[n].values) == copied(resumed.parameters()[n].values));
  }
}

TEST_CASE("a cache on a device gives the logits of whole sequences, and copies of it go their own ways",
          "[parity][models][device]") {
  on_device<causal_attention> device(small());
  stir(device);
  auto const tokens = some_tokens(5, 9);
  auto const whole = copied(device.forward(tokens, 1, 9));
  auto cache = device.make_cache();
  device.extend(cache, std::span(tokens).first(4));
  auto other = cache;
  device.extend(other, some_tokens(6, 3));
  auto const rest = copied(device.extend(cache, std::span(tokens).subspan(4)));
  require_close(std::span(whole).subspan(4 * 7), rest);
}

TEST_CASE("what an Adapt hides, records and is shown on a device is that on the host", "[parity][models][device]") {
  struct record {
    lm::shared_vector<double> received = lm::shared_vector<double>(2 * 2 * 6, device_under_test::shared_memory());
    std::vector<float> shown;
  };
  lm::shared_vector<std::uint8_t> marks(2 * 6, device_under_test::shared_memory());
  marks[1] = marks[6 + 4] = 1;
  struct watch {
    record* to;
    lm::shared_vector<std::uint8_t> const* hidden;
    auto operator()(int l, attention<> use) const {
      return use.with(drop_keys{contiguous(hidden->data(), 1, 2, 6)})
          .with(received_attention{contiguous(to->received.data() + l * 2 * 6, 1, 2, 6)});
    }
    void reads(int, view<float const, 2> stream) const {
      for (index_t i = 0; i < stream.extent(0); ++i) to->shown.push_back(stream(i, 3));
    }
    void projected(int, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v) const {
      for (index_t i = 0; i < 6; ++i) to->shown.insert(to->shown.end(), {q(0, 1, i, 5), k(0, 0, i, 0), v(0, 0, i, 2)});
    }
  };
  on_host<attention<>> host(small());
  on_device<attention<>> device(small());
  stir(host), stir(device);
  record of_host, of_device;
  auto const tokens = some_tokens(7, 6);
  require_close(host.forward(tokens, 1, 6, watch{&of_host, &marks}),
                device.forward(tokens, 1, 6, watch{&of_device, &marks}));
  require_close(of_host.shown, of_device.shown);
  for (std::size_t j = 0; j < of_host.received.size(); ++j)
    CHECK(std::abs(of_host.received[j] - of_device.received[j]) <= 500 * basin_test::eps_of<float> * 6);
  CHECK(of_device.received[1] == 0);
}

TEST_CASE("a transformer on a device refuses what that on the host refuses", "[unit][models][device]") {
  on_device<attention<>> device(small());
  CHECK_THROWS_AS(device.forward(std::vector<int>{1, 7}, 1, 2), value_error);
  CHECK_THROWS_AS(device.forward(std::vector<int>{1, 2}, 1, 3), shape_error);
  CHECK_THROWS_AS(device.backward(std::vector<float>(7)), value_error);
  auto data = some_batch<attention<>>();
  data.targets[0] = 7;
  CHECK_THROWS_AS(lm::accumulate(device, data), value_error);
}

}  // namespace basin
