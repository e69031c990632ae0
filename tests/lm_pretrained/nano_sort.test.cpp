// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/pretrained/ and the operations of nn/: a trained minGPT that sorts, every stage against the values that its
// authors' own program recorded.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/mask/causal.hpp"
#include "basin/nn/layer_norm.hpp"
#include "pretrained.hpp"
#include "support/archetypes.hpp"
#include "support/skip.hpp"

namespace basin {

namespace {

using namespace pretrained_test;
using causal_attention = decltype(attention<>{}.with(causal{}));
using sorter = lm::decoder<causal_attention>;

/// Sums have at most 192 terms, 192 eps = 1.2e-5 of the largest number; the recorded values have rounding errors too.
constexpr double tolerance = 2e-5;
constexpr int batch = 3, heads = 3, length = 11, dim = 48, head_dim = 16, digits = 6, rows = batch * length;

std::vector<std::byte> from_base64(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::byte> all;
  std::uint32_t bits = 0;
  int count = 0;
  for (char const one : text) {
    auto const digit = alphabet.find(one);
    if (digit == std::string_view::npos) break;                  // '=' fills the last group
    bits = bits << 6 | static_cast<std::uint32_t>(digit), count += 6;
    if (count >= 8) count -= 8, all.push_back(static_cast<std::byte>(bits >> count & 255));
  }
  return all;
}

/// The tensors of a JSON file {name: {shape, dtype, data}}, with little-endian floats in base64.
lm::tensor_store tensors_of(std::filesystem::path const& path) {
  auto const all = nlohmann::json::parse(std::ifstream(path));
  auto const values = std::make_shared<std::vector<std::vector<std::byte>>>();
  std::vector<lm::stored_tensor> tensors;
  values->reserve(all.size());
  for (auto const& [name, one] : all.items()) {
    if (!one.contains("data")) continue;
    values->push_back(from_base64(one.at("data").get_ref<std::string const&>()));
    tensors.push_back({name, lm::storage_type::f32, one.at("shape").get<std::vector<index_t>>(), values->back()});
  }
  return {path.string(), std::move(tensors), {values}};
}

/// minGPT's gpt-nano, whose matrices are [outputs, inputs], and whose head is not the embedding table.
lm::pretrained_model description() {
  lm::pretrained_model m{.architecture = "gpt-nano"};
  m.shape.sizes = {.vocabulary = 3,
                   .dim = dim,
                   .context = length,
                   .head = lm::output_head::untied,
                   .positions = lm::position_table::learned,
                   .norm = {lm::norm_kind::layer, 1e-5f}};
  m.shape.layers = 3;
  m.shape.mlp = {lm::mlp_kind::gelu_tanh, 4 * dim, lm::linear_bias::with};
  m.shape.attention = {.dim = dim, .heads = heads, .bias = lm::projection_bias::all, .context = length};
  m.tensors = lm::detail::gpt2_tensors(dim, lm::stored_layout::as_it_is);
  m.tensors.push_back({"head.weight", "/lm_head.weight"});
  m.prefixes = {"transformer."};
  m.unused = {"h.#.attn.bias"};
  return m;
}

struct recorded {
  lm::tensor_store weights, stages;
};
std::optional<recorded> read_recorded() {
  auto const weights = basin_test::shared_data("gpt-nano-sort/model.json");
  if (!weights) return {};
  return recorded{tensors_of(*weights), tensors_of(weights->parent_path() / "t0-partials.json")};
}
sorter sorter_of(recorded const& files) {
  auto const of = description();
  sorter model(of.shape, 0, causal_attention{});
  lm::read_weights(model, of, files.weights);
  return model;
}

std::vector<float> floats(std::span<double const> from) { return {from.begin(), from.end()}; }

/// Weights and scores of one attention, [batch, heads, queries, keys].
struct whole_rows {
  std::vector<double> weights = std::vector<double>(batch * heads * length * length), scores = weights,
                      visible = std::vector<double>(batch * heads * length);

  basin_test::row_copies observer() {
    auto const pairs = [](std::vector<double>& of) { return contiguous(of.data(), batch, heads, length, length); };
    return {pairs(weights), pairs(scores), contiguous(visible.data(), batch, heads, length)};
  }
};

/// An Adapt that records what the layers read, and what the first one attends to.
struct recorder {
  std::vector<std::vector<float>>& streams;
  std::array<std::vector<float>, 3>& projections;                // q, k, v
  std::array<whole_rows, 3>& observed;

  template <class Attention>
  auto operator()(int layer, Attention const& use) const {
    return use.with(observed[static_cast<std::size_t>(layer)].observer());
  }
  void reads(int, view<float const, 2> stream) const {
    streams.emplace_back(stream.data_handle(), stream.data_handle() + rows * dim);
  }
  void projected(int layer, view<float const, 4> q, view<float const, 4> k, view<float const, 4> v) const {
    if (layer == 0) projections = {copy_of(q), copy_of(k), copy_of(v)};
  }
};

/// Hidden pairs have the score -inf; they become 0, so that differences can be taken.
std::vector<float> visible_alone(std::vector<float> scores) {
  for (std::size_t n = 0; n < scores.size(); ++n) {
    bool const hidden = n % length > n / length % length;
    CAPTURE(n);
    CHECK(std::isinf(scores[n]) == hidden);
    if (hidden) scores[n] = 0;
  }
  return scores;
}

/// The operations of block 0, each applied to the recorded stage before it.
struct operations {
  lm::tensor_store const& weights;
  nn::host on{};

  std::vector<float> norm(std::vector<float> const& x, std::string const& name) const {
    auto const scale = values_of(weights, name + ".weight"), shift = values_of(weights, name + ".bias");
    std::vector<float> y(x.size()), mean(rows), inverse(rows);
    nn::layer_norm_forward<float>(on, contiguous(x.data(), rows, dim), scale, shift, 1e-5,
                                  contiguous(y.data(), rows, dim), std::span(mean), std::span(inverse));
    return y;
  }
  std::vector<float> linear(std::vector<float> const& x, std::string const& name) const {
    auto const matrix = values_of(weights, name + ".weight"), bias = values_of(weights, name + ".bias");
    index_t const inputs = std::ssize(x) / rows, outputs = std::ssize(bias);
    std::vector<float> y(static_cast<std::size_t>(rows * outputs));
    auto const to = contiguous(y.data(), index_t{rows}, outputs);
    nn::linear_forward<float>(on, contiguous(x.data(), index_t{rows}, inputs),
                              contiguous(matrix.data(), outputs, inputs), to);
    nn::add_bias<float>(on, bias, to);
    return y;
  }
  std::vector<float> gelu(std::vector<float> const& x) const {
    std::vector<float> y(x.size());
    nn::gelu_forward<float>(on, nn::gelu_form::tanh, contiguous(x.data(), rows, 4 * dim),
                            contiguous(y.data(), rows, 4 * dim));
    return y;
  }
  std::vector<float> sum(std::vector<float> const& a, std::vector<float> b) const {
    nn::add(on, std::span(a), std::span(b));
    return b;
  }
};

}  // namespace

TEST_CASE("a trained minGPT gives the recorded values at every stage", "[parity][pretrained]") {
  auto const files = read_recorded();
  if (!files) return;
  auto model = sorter_of(*files);
  std::vector<std::vector<float>> streams;
  std::array<std::vector<float>, 3> projections;
  std::array<whole_rows, 3> observed;
  auto const logits = model.forward(tokens_of(files->stages, "idx"), batch, length,
                                    recorder{streams, projections, observed});
  auto const matches = [&](std::string const& name, std::span<float const> ours) {
    CAPTURE(name);
    CHECK(relative_distance(ours, values_of(files->stages, name)) <= tolerance);
  };
  REQUIRE(streams.size() == 3);
  matches("x", streams[0]), matches("block0", streams[1]), matches("block1", streams[2]);
  matches("q", projections[0]), matches("k", projections[1]), matches("v", projections[2]);
  matches("attSm", floats(observed[0].weights));
  matches("lm_head", logits);
  std::vector<float> probabilities;
  for (std::size_t i = 0; i < logits.size(); i += 3) {
    double const a = std::exp(logits[i]), b = std::exp(logits[i + 1]), c = std::exp(logits[i + 2]);
    for (double const one : {a, b, c}) probabilities.push_back(static_cast<float>(one / (a + b + c)));
  }
  matches("probs", probabilities);
}

TEST_CASE("the operations of a block give the recorded values, each from the stage before", "[parity][nn]") {
  auto const files = read_recorded();
  if (!files) return;
  operations const run{files->weights};
  auto const stage = [&](std::string const& name) { return values_of(files->stages, name); };
  auto const matches = [&](std::string const& name, std::vector<float> const& ours) {
    CAPTURE(name);
    CHECK(relative_distance(ours, stage(name)) <= tolerance);
  };
  std::string const block = "transformer.h.0.";
  matches("ln1", run.norm(stage("x"), block + "ln_1"));
  matches("qkv", run.linear(stage("ln1"), block + "attn.c_attn"));
  matches("yProj", run.linear(stage("y"), block + "attn.c_proj"));
  matches("attnResid", run.sum(stage("x"), stage("yProj")));
  matches("ln2", run.norm(stage("attnResid"), block + "ln_2"));
  matches("fc", run.linear(stage("ln2"), block + "mlp.c_fc"));
  matches("gelu", run.gelu(stage("fc")));
  matches("mlp", run.linear(stage("gelu"), block + "mlp.c_proj"));
  matches("mlpResid", run.sum(stage("attnResid"), stage("mlp")));
  matches("ln_f", run.norm(stage("block2"), "transformer.ln_f"));
}

TEST_CASE("attention gives the recorded scores, weights and output", "[parity][pretrained]") {
  auto const files = read_recorded();
  if (!files) return;
  auto const stage = [&](std::string const& name) { return values_of(files->stages, name); };
  auto const q = stage("q"), k = stage("k"), v = stage("v");
  auto const heads_in = [](std::vector<float> const& of) {
    return contiguous(of.data(), batch, heads, length, head_dim);
  };
  std::vector<float> y(rows * dim);
  whole_rows observed;
  cpu::forward(causal_attention{}.with(observed.observer()), heads_in(q), heads_in(k), heads_in(v),
               lm::heads_of(contiguous(y.data(), index_t{rows}, index_t{dim}), batch, 0, heads, head_dim));
  CHECK(relative_distance(visible_alone(floats(observed.scores)), visible_alone(stage("att"))) <= tolerance);
  CHECK(relative_distance(floats(observed.weights), stage("attSm")) <= tolerance);
  CHECK(relative_distance(y, stage("y")) <= tolerance);
}

TEST_CASE("a trained minGPT sorts any six digits", "[parity][pretrained]") {
  auto const files = read_recorded();
  if (!files) return;
  auto model = sorter_of(*files);
  constexpr int inputs = 729;                                    // 3^6: all there are
  std::vector<int> tokens, sorted;
  for (int n = 0; n < inputs; ++n) {
    std::array<int, digits> given;
    int left = n;
    for (int& digit : given) digit = left % 3, left /= 3;
    tokens.insert(tokens.end(), given.begin(), given.end());
    std::ranges::sort(given);
    tokens.insert(tokens.end(), given.begin(), given.end() - 1);
    sorted.insert(sorted.end(), given.begin(), given.end());
  }
  auto const logits = model.forward(tokens, inputs, length);
  std::vector<int> answers;
  for (int n = 0; n < inputs; ++n)
    for (int i = digits - 1; i < length; ++i) {
      auto const here = logits.subspan(static_cast<std::size_t>(n * length + i) * 3, 3);
      answers.push_back(static_cast<int>(std::ranges::max_element(here) - here.begin()));
    }
  CHECK(answers == sorted);
}

}  // namespace basin
