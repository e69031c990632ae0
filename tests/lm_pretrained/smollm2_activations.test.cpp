// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/pretrained/gguf.hpp and an Adapt of lm/transformer.hpp: the activations and the sinks of SmolLM2 against
// transformers (examples/get_smollm2.sh fetches the model).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "basin/mask/causal.hpp"
#include "basin/observe/received_attention.hpp"
#include "smollm2.hpp"

namespace basin {

namespace {

using namespace pretrained_test;

constexpr int layers = 30, heads = 9, kv_heads = 3, head_dim = 64;
/// The golden values' own, relative; what sums of 1536 terms in 30 layers lose lies below it.
constexpr double tolerance = 1e-4;

/// What the layers of one forward pass read, project and attend to.
struct activations_of_layers {
  explicit activations_of_layers(std::size_t tokens)
      : length(tokens), received(std::size_t{layers} * heads * tokens) {}

  std::size_t length;
  std::vector<std::vector<float>> streams;
  std::map<int, std::array<std::vector<float>, 3>> projections;  // q, k, v
  std::vector<double> received;                                  // [layers, heads, keys]

  std::span<double> received_in(int layer) {
    return std::span(received).subspan(static_cast<std::size_t>(layer) * heads * length, heads * length);
  }
};

struct recorder {
  activations_of_layers& to;

  template <class Attention>
  auto operator()(int layer, Attention const& use) const {
    auto const sums = contiguous(to.received_in(layer).data(), 1, heads, static_cast<index_t>(to.length));
    return use.with(received_attention{sums});
  }
  void reads(int, view<float const, 2> stream) const {
    to.streams.emplace_back(stream.data_handle(), stream.data_handle() + stream.extent(0) * stream.extent(1));
  }
  void projected(int layer, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v) const {
    to.projections[layer] = {copy_of(q), copy_of(k), copy_of(v)};
  }
};

/// The largest difference of rows over the length of the row: some rows are a thousand times longer than others.
double distance_of_rows(std::span<float const> a, std::span<float const> b, std::size_t width) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t row = 0; row < a.size(); row += width) {
    double difference = 0, size = 0;
    for (std::size_t d = row; d < row + width; ++d) {
      difference += std::pow(static_cast<double>(a[d]) - b[d], 2);
      size += std::pow(static_cast<double>(b[d]), 2);
    }
    largest = std::max(largest, std::sqrt(difference / size));
  }
  return largest;
}

std::vector<int> ids_of(lm::tensor_store const& from) {
  auto const& stored = from.at("ids");
  REQUIRE(stored.type == lm::storage_type::i32);
  std::vector<int> ids(stored.bytes.size() / sizeof(int));
  std::memcpy(ids.data(), stored.bytes.data(), stored.bytes.size());
  return ids;
}

/// The output of causal softmax attention, [heads, length, head_dim].
std::vector<float> attended(std::array<std::vector<float>, 3> const& qkv, index_t length) {
  auto const& [q, k, v] = qkv;
  std::vector<float> out(q.size());
  auto const heads_in = [&](auto& of, index_t count) {
    return contiguous(of.data(), index_t{1}, count, length, index_t{head_dim});
  };
  cpu::forward(attention<>{}.with(causal{}), heads_in(q, heads), heads_in(k, kv_heads), heads_in(v, kv_heads),
               heads_in(out, heads));
  return out;
}

}  // namespace

TEST_CASE("SmolLM2 has the recorded activations in every layer", "[parity][pretrained]") {
  auto const path = smollm2();
  auto const file = basin_test::shared_data("smollm2/prompt1_activations.safetensors");
  if (!path || !file) return;
  auto const golden = lm::open_safetensors(*file);
  auto const ids = ids_of(golden);
  activations_of_layers ours(ids.size());
  auto& model = model_of(*path);
  auto const logits = model.forward(ids, 1, static_cast<int>(ids.size()), recorder{ours});
  CHECK(relative_distance(logits.last(static_cast<std::size_t>(model.vocabulary())),
                          values_of(golden, "logits.last")) <= tolerance);
  REQUIRE(ours.streams.size() == layers);
  for (int l = 0; l < layers; ++l) {
    CAPTURE(l);
    CHECK(distance_of_rows(ours.streams[static_cast<std::size_t>(l)],
                           values_of(golden, "hidden." + std::to_string(l)), 576) <= tolerance);
  }
  for (int const l : {0, 14, 29}) {
    CAPTURE(l);
    std::string const layer = "layer" + std::to_string(l) + ".";
    auto const& qkv = ours.projections.at(l);
    auto const matches = [&](std::string const& name, std::span<float const> values) {
      CAPTURE(name);
      CHECK(distance_of_rows(values, values_of(golden, layer + name), head_dim) <= tolerance);
    };
    matches("q", qkv[0]), matches("k", qkv[1]), matches("v", qkv[2]);
    matches("out", attended(qkv, std::ssize(ids)));
    auto const received = values_of(golden, layer + "received");
    auto const sums = ours.received_in(l);
    REQUIRE(received.size() == sums.size());
    for (std::size_t n = 0; n < sums.size(); ++n)  // a weight errs as its score does, of up to a few dozen
      CHECK(sums[n] == basin_test::Approx(received[n]).epsilon(10 * tolerance).margin(tolerance));
  }
}

TEST_CASE("SmolLM2 has its golden sinks", "[parity][pretrained]") {
  auto const path = smollm2();
  auto const expected = basin_test::shared_data("../reference/smollm2_golden.json");
  if (!path || !expected) return;
  constexpr std::size_t length = 256, windows = 2, golden_windows = 8;
  auto const ids = golden_of(*expected).at("text_first_512_ids").get<std::vector<int>>();
  auto const& sinks = golden_of(*expected).at("e_sinks");
  auto const rates = sinks.at("sink_rate_per_window").get<std::vector<double>>();
  std::vector<double> sums(std::size_t{layers} * heads);         // of the received attention of key 0, over windows
  for (std::size_t w = 0; w < windows; ++w) {
    CAPTURE(w);
    activations_of_layers ours(length);
    model_of(*path).forward(std::span(ids).subspan(w * length, length), 1, length, recorder{ours});
    int surely = 0, perhaps = 0;                                 // above 0.3, with and against rounding errors
    for (std::size_t head = 0; head < sums.size(); ++head) {
      double const received = ours.received[head * length] / length;
      sums[head] += received;
      surely += received > 0.3 + tolerance, perhaps += received > 0.3 - tolerance;
    }
    CHECK(surely <= std::lround(rates[w] * layers * heads));
    CHECK(perhaps >= std::lround(rates[w] * layers * heads));
  }
  auto const means = sinks.at("alpha0_mean_over_windows").get<std::vector<std::vector<double>>>();
  for (std::size_t head = 0; head < sums.size(); ++head) {       // the other windows have from 0 to 1 each
    double const golden = means[head / heads][head % heads] * golden_windows;
    CAPTURE(head / heads, head % heads, golden, sums[head]);
    CHECK(sums[head] <= golden + tolerance);
    CHECK(sums[head] >= golden - (golden_windows - windows) - tolerance);
  }
}

}  // namespace basin
