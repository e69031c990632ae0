// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/attention_layer.hpp, attention_config.hpp and attention_cache.hpp: the layer against its formula in plain
// loops, its gradients against finite differences, and its cache against whole sequences.
#include "basin/lm/attention_layer.hpp"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "basin/mask/causal.hpp"
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "basin/observe/received_attention.hpp"
#include "nn/gradients.hpp"
#include "support/catch.hpp"

namespace basin {

using basin_test::Approx, basin_test::ContainsSubstring;
using lm::attention_config;

namespace {

using causal_attention = decltype(attention<>{}.with(causal{}));
template <class Attention>
using layer_in_double = lm::attention_layer<Attention, double>;

constexpr int batch = 2, length = 5, rows = batch * length;
using named_values = std::map<std::string, std::vector<double>>;

/// Every part of a layer, in several combinations.
std::vector<attention_config> some_configs() {
  attention_config const plain{.dim = 6, .heads = 2};
  attention_config all{.dim = 6,
                       .heads = 4,
                       .kv_heads = 2,
                       .head_dim = 4,
                       .value_dim = 3,
                       .bias = lm::projection_bias::all,
                       .head_norm = lm::qk_norm::rms,
                       .gate = lm::output_gate::elementwise,
                       .positions = lm::rotary_config{.base = 10},
                       .context = 8};
  auto heads = all;
  heads.gate = lm::output_gate::per_head, heads.bias = lm::projection_bias::qkv;
  heads.positions->pairing = nn::rope_pairing::neighbours;
  heads.projections = lm::linear_products::separate;
  auto part = plain;
  part.head_dim = 6, part.kv_heads = 1, part.context = 8;
  part.positions = lm::rotary_config{.base = 10, .scaling = nn::linear_scaling{2}, .features = 4};
  return {plain, all, heads, part};
}

template <class Layer>
void stir(Layer& layer, lm::host& on) {
  philox random(3);
  layer.weights("", [&](std::string const&, auto& w) {
    for (double& x : w.values()) x = 0.5 * normal(random) + (w.values().size() < 5 ? 1.0 : 0.0);
    w.send(on);
  });
}

template <class Layer>
named_values values_of(Layer& layer) {
  named_values all;
  for (auto const& p : lm::parameters_on_host<double>(layer)) all[p.name] = {p.values.begin(), p.values.end()};
  return all;
}

/// w x + b, for the rows of a weight [outputs, inputs].
std::vector<double> linear(named_values const& all, std::string const& name, std::vector<double> const& x) {
  auto const& w = all.at(name + ".weight");
  std::vector<double> y(w.size() / x.size());
  for (std::size_t o = 0; o < y.size(); ++o) {
    if (all.contains(name + ".bias")) y[o] = all.at(name + ".bias")[o];
    for (std::size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
  }
  return y;
}

/// Norm and rotation of one head, at a position.
void turn_head(double* head, attention_config const& c, named_values const& all, char const* norm, int position) {
  if (c.head_norm == lm::qk_norm::rms) {
    double squares = 0;
    for (int d = 0; d < c.head_dim; ++d) squares += head[d] * head[d] / double(c.head_dim);
    for (int d = 0; d < c.head_dim; ++d)
      head[d] *= all.at(norm)[std::size_t(d)] / std::sqrt(squares + double{c.norm_epsilon});
  }
  if (!c.positions) return;
  int const n = int(c.positions->features > 0 ? c.positions->features : c.head_dim);
  double const factor = std::holds_alternative<nn::linear_scaling>(c.positions->scaling) ? 2 : 1;
  for (int d = 0; d < n / 2; ++d) {
    double const angle = position / factor * std::pow(c.positions->base, -2.0 * d / n);
    bool const far = c.positions->pairing == nn::rope_pairing::halves;
    double &a = head[far ? d : 2 * d], &b = head[far ? d + n / 2 : 2 * d + 1];
    double const turned = a * std::cos(angle) - b * std::sin(angle);
    b = b * std::cos(angle) + a * std::sin(angle), a = turned;
  }
}

/// The layer with softmax and a causal mask, by its formula: y of all rows.
std::vector<double> by_formula(attention_config const& c, named_values const& all, std::vector<double> const& x) {
  std::vector<std::vector<double>> q, k, v, in;
  for (int r = 0; r < rows; ++r) {
    in.emplace_back(x.begin() + r * c.dim, x.begin() + (r + 1) * c.dim);
    q.push_back(linear(all, "query", in.back())), k.push_back(linear(all, "key", in.back()));
    v.push_back(linear(all, "value", in.back()));
    for (int h = 0; h < c.heads; ++h) turn_head(&q[r][h * c.head_dim], c, all, "query_norm.weight", r % length);
    for (int h = 0; h < c.kv_heads; ++h) turn_head(&k[r][h * c.head_dim], c, all, "key_norm.weight", r % length);
  }
  std::vector<double> y;
  for (int r = 0; r < rows; ++r) {
    std::vector<double> out(std::size_t(c.heads * c.value_dim));
    for (int h = 0; h < c.heads; ++h) {
      int const shared = h / int(c.heads / c.kv_heads), first = r / length * length;
      std::vector<double> w(std::size_t(r - first + 1));
      double sum = 0;
      for (int j = first; j <= r; ++j) {
        double dot = 0;
        for (int d = 0; d < c.head_dim; ++d) dot += q[r][h * c.head_dim + d] * k[j][shared * c.head_dim + d];
        sum += w[j - first] = std::exp(dot / std::sqrt(double(c.head_dim)));
      }
      for (int j = first; j <= r; ++j)
        for (int d = 0; d < c.value_dim; ++d)
          out[h * c.value_dim + d] += w[j - first] / sum * v[j][shared * c.value_dim + d];
    }
    if (c.gate != lm::output_gate::none) {
      auto const gates = linear(all, "gate", in[r]);
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] /= 1 + std::exp(-gates[c.gate == lm::output_gate::per_head ? i / c.value_dim : i]);
    }
    auto const row = linear(all, "output", out);
    y.insert(y.end(), row.begin(), row.end());
  }
  return y;
}

template <class Layer>
std::vector<double> output_of(Layer& layer, std::vector<double>& x, typename Layer::activations& kept) {
  lm::host on;
  std::vector<double> y(x.size());
  layer.forward(on, contiguous(x.data(), rows, layer.config().dim), contiguous(y.data(), rows, layer.config().dim),
                batch, kept);
  return y;
}

}  // namespace

TEST_CASE("an attention layer is its formula", "[parity][layer]") {
  lm::host on;
  auto const config = GENERATE(from_range(some_configs()));
  layer_in_double<causal_attention> layer(on, config);
  stir(layer, on);
  auto x = nn_test::random_values(1, std::size_t(rows * config.dim));
  layer_in_double<causal_attention>::activations kept;
  auto const y = output_of(layer, x, kept), expected = by_formula(layer.config(), values_of(layer), x);
  REQUIRE(y.size() == expected.size());
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == Approx(expected[i]).epsilon(1e-11).margin(1e-12));
}

TEMPLATE_TEST_CASE("the gradients of an attention layer are its finite differences, learned numbers included",
                   "[property][layer]", causal_attention, decltype(causal_attention{}.with(sink_logit{{.value = 0.5}})),
                   decltype(attention<>{}.with(length_scaled<entmax15, learned_ssmax>{}))) {
  lm::host on;
  auto const config = GENERATE(from_range(some_configs()));
  layer_in_double<TestType> layer(on, config);
  stir(layer, on);
  std::size_t const count = std::size_t(rows * config.dim);
  auto x = nn_test::random_values(1, count);
  auto const by = nn_test::random_values(2, count);
  typename layer_in_double<TestType>::activations kept;
  typename layer_in_double<TestType>::workspace work;
  auto const loss = [&] { return nn_test::dot(output_of(layer, x, kept), by); };
  loss();
  std::vector<double> dx(count, 99.0);
  auto const view = [&](auto& of) { return contiguous(of.data(), rows, config.dim); };
  layer.backward(on, view(x), view(by), view(dx), batch, kept, work);
  for (std::size_t i = 0; i < count; i += 7)
    CHECK(std::abs(nn_test::finite_difference(x[i], loss) - dx[i]) <= 1e-7);
  for (auto const& p : lm::parameters_on_host<double>(layer)) {
    double largest = 0;
    // learned numbers reach the policy as floats, so their differences take a step that a float shows
    double const step = p.name.find('.') != std::string::npos && p.shape[0] == config.heads && p.shape.size() == 1 &&
                                !p.name.ends_with("bias") && !p.name.ends_with("weight")
                            ? 0x1p-8
                            : 0;
    for (std::size_t i = 0; i < p.values.size(); i += step > 0 ? 1 : 3) {
      double slope = 0;
      if (step > 0) {
        double const before = p.values[i];
        p.values[i] = before + step;
        double const up = loss();
        p.values[i] = before - step;
        slope = (up - loss()) / (2 * step);
        p.values[i] = before;
      } else {
        slope = nn_test::finite_difference(p.values[i], loss);
      }
      CAPTURE(p.name, i);
      CHECK(std::abs(slope - p.gradient[i]) <= (step > 0 ? 1e-3 * (1 + std::abs(slope)) : 1e-7));
      largest = std::max(largest, std::abs(p.gradient[i]));
    }
    CAPTURE(p.name);
    CHECK((largest > 1e-4 || p.name == "key.bias"));  // softmax does not see a vector that all keys share
  }
}

TEST_CASE("decoding with a cache, in any pieces, gives the rows of the whole sequence", "[property][layer]") {
  lm::host on;
  auto const config = GENERATE(from_range(some_configs()));
  layer_in_double<causal_attention> layer(on, config);
  stir(layer, on);
  auto x = nn_test::random_values(1, std::size_t(rows * config.dim));
  layer_in_double<causal_attention>::activations kept;
  auto const whole = output_of(layer, x, kept);
  auto cache = layer.make_cache(batch, 8);
  for (int const pieces : {2, 1, 2}) {
    int const first = int(cache.length());
    std::vector<double> now, y(std::size_t(batch * pieces * config.dim));
    for (int b = 0; b < batch; ++b)
      now.insert(now.end(), x.begin() + (b * length + first) * config.dim,
                 x.begin() + (b * length + first + pieces) * config.dim);
    auto const view = [&](auto& of) { return contiguous(of.data(), batch * pieces, config.dim); };
    layer.decode(on, view(now), view(y), cache, kept);
    for (int b = 0; b < batch; ++b)
      for (int i = 0; i < pieces * config.dim; ++i)
        CHECK(y[std::size_t(b * pieces * config.dim + i)] ==
              Approx(whole[std::size_t((b * length + first) * config.dim + i)]).epsilon(1e-10).margin(1e-12));
  }
  CHECK(cache.length() == length);
  cache.truncate(3);
  CHECK(cache.length() == 3);
  CHECK_THROWS_AS(cache.truncate(4), value_error);
}

TEST_CASE("tensors of a layer have names, shapes and an order", "[unit][layer]") {
  lm::host on;
  auto const use = attention<>{}.with(length_scaled<sink_logit, asentmax>{});
  lm::attention_layer layer(on, some_configs()[1], use);
  std::string all;
  for (auto const& p : lm::parameters_on_host<float>(layer)) {
    all += p.name;
    for (index_t const n : p.shape) all += " " + std::to_string(n);
    all += "; ";
  }
  CHECK(all ==
        "query.weight 16 6; key.weight 8 6; value.weight 6 6; query.bias 16; key.bias 8; value.bias 6; "
        "query_norm.weight 4; key_norm.weight 4; gate.weight 12 6; output.weight 6 12; output.bias 6; "
        "sink_logit.logit 4; asentmax.beta 4; asentmax.gamma 4; ");
}

TEST_CASE("a policy that a call exchanges is used, and an observer is", "[unit][layer]") {
  lm::host on;
  lm::attention_layer<> layer(on, {.dim = 6, .heads = 2});
  philox random(1);
  layer.initialise(on, random, {.normal = 1, .residual = 1});
  std::vector<float> x = nn_test::random_values<float>(1, rows * 6), y(x.size());
  std::vector<double> received(batch * 2 * length);
  lm::attention_layer<>::activations kept;
  layer.forward(on, contiguous(x.data(), rows, 6), contiguous(y.data(), rows, 6), batch, kept,
                [&](auto const& use) {
                  return use.with(causal{}).with(
                      received_attention{contiguous(received.data(), batch, 2, length)});
                });
  double mass = 0;
  for (double const r : received) mass += r;
  CHECK(mass == Approx(batch * 2 * length));
  CHECK(received[0] > received[4]);  // the last key is seen by one query
}

TEST_CASE("what makes no layer, or does not fit it, is refused and says why", "[unit][layer][errors]") {
  lm::host on;
  auto const refused = [&](attention_config const& c, char const* why) {
    CHECK_THROWS_WITH(lm::attention_layer<>(on, c), ContainsSubstring(why));
  };
  refused({.dim = 6, .heads = 0}, "heads is 0; it must be at least 1");
  refused({.dim = 7, .heads = 2}, "dim is 7 with 2 heads; dim must be a multiple of heads, or head_dim be given");
  refused({.dim = 6, .heads = 3, .kv_heads = 2}, "3 heads share 2 key heads; heads must be a multiple of kv_heads");
  refused({.dim = 6, .heads = 2, .positions = lm::rotary_config{}, .context = 4}, "3 features of a head of 3");
  refused({.dim = 8, .heads = 2, .positions = lm::rotary_config{}}, "context is 0; it must be at least 1");
  lm::attention_layer<> layer(on, {.dim = 6, .heads = 2}), other(on, {.dim = 6, .heads = 2, .kv_heads = 1});
  std::vector<float> x(rows * 6), y(x.size());
  lm::attention_layer<>::activations kept;
  auto const view = [&](auto& of, index_t n = rows) { return contiguous(of.data(), n, 6); };
  CHECK_THROWS_WITH(layer.forward(on, view(x), view(y), 3, kept), ContainsSubstring("10 rows are no batch of 3"));
  std::vector<float> dx(x.size());
  lm::attention_layer<>::workspace work;
  auto const backward = [&] { layer.backward(on, view(x), view(y), view(dx), batch, kept, work); };
  CHECK_THROWS_WITH(backward(), ContainsSubstring("call forward before each backward"));
  layer.forward(on, view(x), view(y), batch, kept);
  CHECK_NOTHROW(backward());
  CHECK_THROWS_AS(backward(), value_error);                      // the forward pass is used up
  auto cache = other.make_cache(1, 4);
  CHECK_THROWS_WITH(layer.decode(on, view(x, 1), view(y, 1), cache, kept),
                    ContainsSubstring("the cache was made for a layer of other sizes; make_cache() makes one"));
  auto full = layer.make_cache(1, 4);
  CHECK_THROWS_WITH(layer.decode(on, view(x, 5), view(y, 5), full, kept), ContainsSubstring("5 more do not fit"));
  CHECK(full.length() == 0);
}

}  // namespace basin
