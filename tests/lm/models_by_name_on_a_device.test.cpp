// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers include/basin/lm/policies/normalizers_on_device.hpp: models with policies by name on a device against those on
// the host. The device is that of transformer_on_a_device.test.cpp
#include <cmath>
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

}  // namespace basin
