// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers include/basin/lm/objectives/objectives.hpp and likelihood.hpp
#include "basin/lm/objectives/objectives.hpp"

#include <cmath>
#include <map>
#include <set>

#include "basin/lm/evaluation/likelihood.hpp"
#include "basin/lm/models/llama.hpp"
#include "basin/mask/causal.hpp"
#include "basin/nn/adamw.hpp"
#include "support/catch.hpp"

namespace basin {

using basin_test::Approx;
using lm::learned_tokens;
using lm::masking;

namespace {

constexpr int hidden_id = 5, begin_id = 6, token_count = 7;

std::vector<int> some_sequences(int count) {
  philox rng(11);
  std::vector<int> tokens(static_cast<std::size_t>(count));
  for (int& t : tokens) t = static_cast<int>(below(rng, 5));
  return tokens;
}

/// A model whose loss is known: with h masks in its input, every target but 0 has a loss of log(token_count - 1 + e^h),
/// and 0 of that minus h.
struct counting_model {
  using value_type = double;
  std::vector<double> logits;
  std::vector<int> batches;

  int vocabulary() const { return token_count; }

  template <class Adapt>
  std::span<double const> forward(std::span<int const> tokens, int batch, int length, Adapt) {
    batches.push_back(batch);
    logits.assign(tokens.size() * token_count, 0.0);
    for (int b = 0; b < batch; ++b) {
      auto const row = tokens.subspan(static_cast<std::size_t>(b) * length, length);
      for (int i = 0; i < length; ++i)
        logits[(static_cast<std::size_t>(b) * length + i) * token_count] =
            static_cast<double>(std::count(row.begin(), row.end(), hidden_id));
    }
    return logits;
  }
};

double loss_of_zero(int masks) { return std::log(token_count - 1 + std::exp(masks)) - masks; }

lm::llama_config small() {
  return {.vocabulary = token_count, .dim = 12, .layers = 1, .heads = 2, .kv_heads = 2, .hidden = 16, .context = 8};
}

}  // namespace

TEST_CASE("next-token batches predict each token from those before it", "[unit][models]") {
  philox rng(1);
  std::vector<int> const tokens{1, 2, 3, 4, 0, 1};
  auto const all = lm::next_token{begin_id}(tokens, 2, 3, {}, rng);
  CHECK(all.inputs == std::vector<int>{begin_id, 1, 2, begin_id, 4, 0});
  CHECK(all.targets == tokens);
  CHECK(all.weights == std::vector<float>(6, 1.0f / 6));
  std::vector<unsigned char> const learned{0, 1, 1, 0, 0, 1};
  auto const some = lm::next_token{begin_id}(tokens, 2, 3, learned, rng);
  CHECK(some.inputs == all.inputs);
  CHECK(some.weights == std::vector<float>{0, 1.0f / 3, 1.0f / 3, 0, 0, 1.0f / 3});
}

TEST_CASE("exact masking hides every count once in a batch as large as the sequence", "[property][models]") {
  auto const seed = GENERATE(range(0u, 20u));
  philox rng(seed);
  int const length = 8;
  auto const tokens = some_sequences(length * length);
  auto const data = lm::masked_diffusion{.mask = hidden_id}(tokens, length, length, {}, rng);
  CHECK(data.targets == tokens);
  std::multiset<int> counts;
  for (int b = 0; b < length; ++b) {
    int k = 0;
    double total = 0;
    for (int i = b * length; i < (b + 1) * length; ++i) {
      bool const hidden = data.weights[i] > 0;
      CHECK(data.inputs[i] == (hidden ? hidden_id : tokens[i]));
      k += hidden;
      total += data.weights[i];
    }
    counts.insert(k);
    CHECK(total == Approx(1.0 / length));  // the mean over the hidden tokens of each sequence, averaged over sequences
  }
  CHECK(counts == std::multiset<int>{1, 2, 3, 4, 5, 6, 7, 8});
}

TEMPLATE_TEST_CASE_SIG("noise stays on the learned tokens and every one of them weighs the same on average",
                       "[property][models]", ((masking How), How), masking::independent, masking::exact) {
  int const length = 6, batch = 4, rounds = 4000;
  auto const tokens = some_sequences(batch * length);
  std::vector<unsigned char> learned(tokens.size(), 0);
  for (int b = 0; b < batch; ++b)
    for (int i = 2 + b % 2; i < length; ++i) learned[static_cast<std::size_t>(b * length + i)] = 1;
  philox rng(7);
  std::vector<double> mean(tokens.size()), square(tokens.size());
  int given_changed = 0;
  for (int r = 0; r < rounds; ++r) {
    auto const data = lm::masked_diffusion{.mask = hidden_id, .how = How}(tokens, batch, length, learned, rng);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      given_changed += learned[i] == 0 && (data.inputs[i] != tokens[i] || data.weights[i] != 0);
      mean[i] += data.weights[i] / static_cast<double>(rounds);
      square[i] += data.weights[i] * static_cast<double>(data.weights[i]) / rounds;
    }
  }
  CHECK(given_changed == 0);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    double const n = i / length % 2 == 0 ? 4 : 3, expected = learned[i] / (n * batch);  // E[1[masked] / (p n B)]
    double const error = std::sqrt((square[i] - mean[i] * mean[i]) / rounds);
    CAPTURE(i, error);
    CHECK(std::abs(mean[i] - expected) <= 5 * error + 1e-12);
  }
}

TEST_CASE("a sequence without learned tokens weighs nothing", "[unit][models]") {
  philox rng(1);
  std::vector<int> const tokens{1, 2, 3, 4};
  std::vector<unsigned char> const learned{0, 0, 1, 1};
  auto const data = lm::masked_diffusion{.mask = hidden_id}(tokens, 2, 2, learned, rng);
  CHECK((data.inputs[0] == 1 && data.inputs[1] == 2));
  CHECK((data.weights[0] == 0 && data.weights[1] == 0));
  CHECK(data.weights[2] + data.weights[3] == Approx(0.5));
}

TEST_CASE("the same generator gives the same batch", "[property][models]") {
  auto const tokens = some_sequences(12);
  philox a(3, 100), b(3, 100);
  auto const first = lm::masked_diffusion{.mask = hidden_id}(tokens, 2, 6, {}, a),
             second = lm::masked_diffusion{.mask = hidden_id}(tokens, 2, 6, {}, b);
  CHECK(first.inputs == second.inputs);
  CHECK(first.weights == second.weights);
  CHECK(a.position() == b.position());
}

TEST_CASE("objectives refuse what they cannot train on", "[unit][models]") {
  philox rng(1);
  std::vector<int> const tokens{1, 2, 3, 4};
  std::vector<unsigned char> const none(4, 0), few(3, 1);
  auto const refuse = [&](auto const& objective) {
    CHECK_THROWS_AS(objective(tokens, 2, 3, learned_tokens{}, rng), shape_error);
    CHECK_THROWS_AS(objective(tokens, 0, 4, learned_tokens{}, rng), shape_error);
    CHECK_THROWS_AS(objective(tokens, 2, 2, learned_tokens(few), rng), shape_error);
    CHECK_THROWS_AS(objective(tokens, 2, 2, learned_tokens(none), rng), value_error);
  };
  refuse(lm::next_token{});
  refuse(lm::masked_diffusion{});
  CHECK_THROWS_AS((lm::masked_diffusion{.floor = 0}(tokens, 2, 2, {}, rng)), value_error);
}

TEST_CASE("the bound weighs every count of masks the same", "[unit][models]") {
  counting_model model;
  int const length = 6;
  std::vector<int> const zeros(3 * length, 0);
  double expected = 0;  // (n/k) (k loss(k)) / n, averaged over k = 1..n
  for (int k = 1; k <= length; ++k) expected += loss_of_zero(k) / length;
  auto const found =
      lm::diffusion_bound(model, zeros, 3, length, hidden_id, {}, {.rows = 4, .draws = length, .seed = 9});
  CHECK(found.mean == Approx(expected).epsilon(1e-12));
  CHECK(found.standard_error < 1e-12);  // as many draws as tokens: every count appears once
  CHECK(model.batches == std::vector<int>{4, 4, 4, 4, 2});

  auto const sampled = lm::diffusion_bound(model, zeros, 3, length, hidden_id, {}, {.draws = 1, .seed = 9});
  CHECK(std::abs(sampled.mean - expected) <= 5 * sampled.standard_error + 1e-9);
}

TEST_CASE("likelihoods count the learned tokens alone", "[unit][models]") {
  counting_model model;
  std::vector<int> const zeros(2 * 5, 0);
  std::vector<unsigned char> const learned{0, 0, 1, 1, 1, 0, 0, 0, 0, 1};
  double const three = (loss_of_zero(1) + loss_of_zero(2) + loss_of_zero(3)) / 3, one = loss_of_zero(1);
  double const expected = (3 * three + 1 * one) / 4;
  CHECK(lm::diffusion_bound(model, zeros, 2, 5, hidden_id, learned, {.draws = 3}).mean ==
        Approx(expected).epsilon(1e-12));
  // left to right, the first of n learned tokens sees n masks, the last one sees 1
  CHECK(lm::left_to_right_nll(model, zeros, 2, 5, hidden_id, learned).mean == Approx(expected).epsilon(1e-12));
  CHECK(lm::next_token_nll(model, zeros, 2, 5, begin_id, learned).mean == Approx(loss_of_zero(0)).epsilon(1e-12));
}

TEST_CASE("the next-token likelihood is the mean loss, with the spread over sequences as its error", "[unit][models]") {
  counting_model model;
  std::vector<int> const tokens{hidden_id, 0, 0, 0, 0, 0};  // a mask among the inputs of the first sequence alone
  double const a = (std::log(6 + std::exp(1)) + 2 * loss_of_zero(1)) / 3, b = loss_of_zero(0);
  auto const found = lm::next_token_nll(model, tokens, 2, 3, begin_id);
  CHECK(found.mean == Approx((a + b) / 2).epsilon(1e-12));
  CHECK(found.standard_error == Approx(std::abs(a - b) / 2).epsilon(1e-12));  // sd / sqrt(2) of two numbers
}

TEST_CASE("the bound of a real model agrees with the sum over all masks", "[property][models]") {
  lm::llama<attention<>, double> model(small(), 5);
  for (auto const& p : model.parameters())
    for (double& x : p.values) x *= p.shape.size() == 1 ? 1 : 30;
  int const n = 3;
  std::vector<int> const tokens{3, 1, 4};
  std::map<int, std::vector<double>> by_count;  // mean loss over the hidden tokens, for every set of k
  for (unsigned set = 1; set < 8; ++set) {
    std::vector<int> inputs(tokens);
    std::vector<double> judged(3), losses(3);
    for (int i = 0; i < n; ++i)
      if (set >> i & 1) inputs[i] = hidden_id, judged[i] = 1;
    auto const logits = model.forward(inputs, 1, n);
    int const k = static_cast<int>(std::count(judged.begin(), judged.end(), 1.0));
    auto const rows = contiguous(logits.data(), n, token_count);
    by_count[k].push_back(nn::cross_entropy_forward(nn::host{}, rows, tokens, judged, std::span(losses)) / k);
  }
  double exact = 0;
  for (auto const& [k, losses] : by_count)
    exact += std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size()) / n;
  std::vector<int> repeated;
  for (int r = 0; r < 400; ++r) repeated.insert(repeated.end(), tokens.begin(), tokens.end());
  auto const found = lm::diffusion_bound(model, repeated, 400, n, hidden_id, {}, {.draws = 3, .seed = 2});
  CAPTURE(exact, found.mean, found.standard_error);
  CHECK(found.standard_error > 0);
  CHECK(std::abs(found.mean - exact) <= 5 * found.standard_error);
}

TEMPLATE_TEST_CASE("training on either objective lowers its likelihood", "[property][models]", lm::next_token,
                   lm::masked_diffusion) {
  constexpr bool autoregressive = std::is_same_v<TestType, lm::next_token>;
  using attention_type = std::conditional_t<autoregressive, decltype(attention<>{}.with(causal{})), attention<>>;
  lm::llama<attention_type> model(small(), 1);
  TestType const objective{autoregressive ? begin_id : hidden_id};
  int const batch = 8, length = 8;
  std::vector<int> tokens;  // every sequence counts modulo 5 from where it starts: only the first token is uncertain
  for (int b = 0; b < batch; ++b)
    for (int i = 0; i < length; ++i) tokens.push_back((b + i) % 5);
  auto const likelihood = [&] {
    if constexpr (autoregressive) return lm::next_token_nll(model, tokens, batch, length, begin_id).mean;
    else return lm::diffusion_bound(model, tokens, batch, length, hidden_id).mean;
  };
  double const before = likelihood();
  philox rng(4);
  nn::adamw_state<float> state;
  for (int step = 0; step < 200; ++step) {
    auto const data = objective(tokens, batch, length, {}, rng);
    nn::clear_gradients(model.parameters());
    lm::accumulate(model, data);
    nn::adamw(nn::host{}, model.parameters(), state, 1e-2);
  }
  CHECK(before == Approx(std::log(token_count)).epsilon(0.05));
  // ln 5 without context; with it, one token in eight cannot be known: 0.2
  CHECK(likelihood() < std::log(5) / 2);
}

}  // namespace basin
