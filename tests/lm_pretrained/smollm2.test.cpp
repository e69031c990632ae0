// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/pretrained/gguf.hpp: SmolLM2-135M-Instruct against transformers (examples/get_smollm2.sh fetches it).
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "smollm2.hpp"

namespace basin {

namespace {

using namespace pretrained_test;

double nll(std::span<float const> logits, int token) {
  double const most = *std::ranges::max_element(logits);
  double sum = 0;
  for (float const x : logits) sum += std::exp(static_cast<double>(x) - most);
  return most + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

}  // namespace

TEST_CASE("SmolLM2 gives the golden logits, and greedy text", "[parity][pretrained]") {
  auto const path = smollm2();
  auto const expected = basin_test::shared_data("../reference/smollm2_golden.json");
  if (!path || !expected) return;
  auto& model = model_of(*path);
  for (auto const& one : golden_of(*expected).at("b_logits")) {
    auto const ids = one.at("ids").get<std::vector<int>>();
    auto const logits = model.forward(ids, 1, static_cast<int>(ids.size()));
    auto const last = logits.last(static_cast<std::size_t>(model.vocabulary()));
    auto const first8 = one.at("first8").get<std::vector<double>>();
    for (std::size_t n = 0; n < 8; ++n) CHECK(last[n] == basin_test::Approx(first8[n]).epsilon(1e-4).margin(1e-4));
    auto const top = one.at("top5_ids").get<std::vector<std::size_t>>();
    auto const values = one.at("top5").get<std::vector<double>>();
    for (std::size_t n = 0; n < 5; ++n) CHECK(last[top[n]] == basin_test::Approx(values[n]).epsilon(1e-4));
    CHECK(static_cast<std::size_t>(std::ranges::max_element(last) - last.begin()) == top[0]);
  }
  auto const& greedy = golden_of(*expected).at("c_greedy").at(0);
  auto const prompt = golden_of(*expected).at("b_logits").at(0).at("ids").get<std::vector<int>>();
  REQUIRE(greedy.at("prompt") == golden_of(*expected).at("b_logits").at(0).at("prompt"));
  auto cache = model.make_cache();
  auto logits = model.extend(cache, prompt).last(static_cast<std::size_t>(model.vocabulary()));
  std::vector<int> said;
  for (int const token : greedy.at("new_ids").get<std::vector<int>>()) {
    said.push_back(static_cast<int>(std::ranges::max_element(logits) - logits.begin()));
    REQUIRE(said.back() == token);
    logits = model.extend(cache, std::span(&said.back(), 1));
  }
}

TEST_CASE("SmolLM2 has the golden NLL on a text", "[parity][pretrained]") {
  auto const path = smollm2();
  auto const expected = basin_test::shared_data("../reference/smollm2_golden.json");
  if (!path || !expected) return;
  auto& model = model_of(*path);
  auto const ids = golden_of(*expected).at("text_first_512_ids").get<std::vector<int>>();
  auto const& of_text = golden_of(*expected).at("d_nll");
  auto const per_token = of_text.at("first_window_per_token_first_64").get<std::vector<double>>();
  auto const vocabulary = static_cast<std::size_t>(model.vocabulary());
  auto const logits = model.forward(ids, 1, static_cast<int>(ids.size()));
  double sum = 0;
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
    double const here = nll(logits.subspan(i * vocabulary, vocabulary), ids[i + 1]);
    sum += here;
    if (i < per_token.size())
      CHECK(here == basin_test::Approx(per_token[i]).epsilon(per_token[i] > 5 ? 1e-3 : 1e-4).margin(2e-4));
  }
  double const golden = of_text.at("per_window_0_to_3").at(0);
  CHECK(sum / static_cast<double>(ids.size() - 1) == basin_test::Approx(golden).epsilon(1e-4));
}

}  // namespace basin
