// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/decoding/token_choice.hpp against Hugging Face transformers (fixtures/make_token_choice.py).
#include <cmath>
#include <fstream>
#include <limits>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/lm/decoding/token_choice.hpp"
#include "support/catch.hpp"

namespace basin {

namespace {

lm::token_choice choice_of(nlohmann::json const& j) {
  return {.temperature = j.value("temperature", 1.0),
          .top_k = j.value("top_k", 0),
          .top_p = j.value("top_p", 1.0),
          .min_p = j.value("min_p", 0.0),
          .repetition_penalty = j.value("repetition_penalty", 1.0)};
}

}  // namespace

TEST_CASE("tokens have the probabilities that transformers gives them", "[parity][decoding]") {
  auto const cases = nlohmann::json::parse(std::ifstream(BASIN_PRETRAINED_FIXTURES "/token_choice.json"));
  CHECK(cases.size() == 9);
  for (auto const& one : cases) {
    auto const logits = one.at("logits").get<std::vector<float>>();
    auto const before = one.at("before").get<std::vector<int>>();
    auto const expected = one.at("probabilities").get<std::vector<double>>();
    std::vector<double> found(logits.size());
    for (auto const& c : lm::candidates(logits, before, choice_of(one)))
      found[static_cast<std::size_t>(c.id)] = c.probability;
    for (std::size_t n = 0; n < found.size(); ++n) {
      CAPTURE(n, one.dump());
      CHECK(found[n] == basin_test::Approx(expected[n]).margin(1e-12));
    }
  }
}

TEST_CASE("tokens are drawn as often as they are likely, and temperature 0 takes the likeliest",
          "[property][decoding]") {
  std::vector<float> const logits{0.5f, 2, -1, 2, 1};
  philox random(7);
  std::vector<int> count(logits.size());
  constexpr int draws = 20000;
  lm::token_choice const how{.temperature = 0.8, .top_p = 0.95};
  for (int n = 0; n < draws; ++n) ++count[static_cast<std::size_t>(lm::choose(logits, {}, how, random))];
  std::vector<double> likely(logits.size());
  for (auto const& c : lm::candidates(logits, {}, how)) likely[static_cast<std::size_t>(c.id)] = c.probability;
  for (std::size_t n = 0; n < likely.size(); ++n) {
    double const error = 5 * std::sqrt(likely[n] * (1 - likely[n]) / draws);
    CHECK(std::abs(count[n] / double{draws} - likely[n]) <= error);
  }
  CHECK(lm::choose(logits, {}, {}, random) == 1);  // the lowest of equals
}

TEST_CASE("a choice of tokens that means nothing is refused", "[unit][decoding][errors]") {
  std::vector<float> const logits{1, 2};
  auto const refused = [&](lm::token_choice const& how, char const* words) {
    CHECK_THROWS_WITH(lm::candidates(logits, {}, how), basin_test::ContainsSubstring(words));
  };
  refused({.temperature = -1}, "temperature is -1; it must be a number from 0 to 1e6");
  refused({.temperature = std::nan("")}, "temperature is nan");
  refused({.top_k = -2}, "top_k is -2");
  refused({.top_p = 0}, "top_p is 0; it must be above 0 and at most 1");
  refused({.min_p = 1.5}, "min_p is 1.5");
  refused({.repetition_penalty = 0.5}, "repetition_penalty is 0.5");
  std::vector<float> const broken{1, std::numeric_limits<float>::quiet_NaN()};
  CHECK_THROWS_WITH(lm::candidates(broken, {}, {}), basin_test::ContainsSubstring("must be finite"));
}

}  // namespace basin
