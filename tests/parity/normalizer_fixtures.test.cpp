// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers every file of normalize/ and theory/jacobian_norm.hpp against PyTorch and a dense SVD
// (fixtures/make_normalizers.py).
#include <fstream>
#include <nlohmann/json.hpp>

#include "basin/theory/jacobian_norm.hpp"
#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"

namespace basin_test {

namespace {

nlohmann::json const& all_fixtures() {
  static nlohmann::json const cases = nlohmann::json::parse(std::ifstream(BASIN_FIXTURES "/normalizers.json"));
  return cases;
}

/// Calls f(normalizer) for the normalizer that a fixture names.
template <class F>
void with_normalizer(nlohmann::json const& j, F&& f) {
  using namespace basin;
  std::string const kind = j.at("normalize");
  auto const x = j.at("numbers").get<std::vector<double>>();
  if (kind == "softmax") f(softmax{x[0]});
  else if (kind == "softmax_n") f(softmax_n{x[0]});
  else if (kind == "sink_logit") f(sink_logit{{x[0]}});
  else if (kind == "sigmoid") f(sigmoid{x[0]});
  else if (kind == "relu") f(relu{x[0]});
  else if (kind == "squared_relu") f(squared_relu{});
  else if (kind == "softpick") f(softpick{x[0]});
  else if (kind == "self_adjusted") f(self_adjusted{});
  else if (kind == "self_adjusted_plain") f(self_adjusted_plain{});
  else if (kind == "top_p") f(top_p{x[0]});
  else if (kind == "sparsemax") f(sparsemax{});
  else if (kind == "entmax15") f(entmax15{});
  else if (kind == "entmax" || kind == "sharp_entmax") f(entmax{{x[0]}});
  else if (kind == "adaptive_temperature") f(adaptive_temperature{});
  else if (kind == "learned_ssmax") f(length_scaled<softmax, learned_ssmax>{{}, {{x[0]}}});
  else if (kind == "asentmax") f(length_scaled<entmax15, asentmax>{{}, {x[0], {x[1]}, {x[2]}}});
  else FAIL("no normalizer for the fixture " << kind);
}

/// Calls f(fixture, normalizer, scores) for all fixtures.
template <class F>
void for_each_fixture(F&& f) {
  CHECK(all_fixtures().size() == 51);
  for (auto const& j : all_fixtures()) {
    auto const scores = j.at("scores").get<std::vector<double>>();
    INFO(j.at("normalize") << " of " << scores.size() << " scores");
    with_normalizer(j, [&](auto const& n) { f(j, n, scores); });
  }
}

double const printed = 2e-13;                                    // fifteen digits, and rounding in another program

}  // namespace

TEST_CASE("weights and their gradients agree with PyTorch", "[parity][normalizer]") {
  for_each_fixture([](auto const& j, auto const& n, auto const& scores) {
    using normalizer_type = std::remove_cvref_t<decltype(n)>;
    auto const dweights = j.at("dweights").template get<std::vector<double>>();
    auto const weights = weights_of(n, scores);
    CHECK(distance(weights, j.at("weights").template get<std::vector<double>>()) <= printed);
    auto const row = basin::fit_row(n, std::span<double const>(scores), context_of<double>(scores.size()));
    std::vector<basin::jacobian_of<normalizer_type>> terms;
    cuda::std::array<double, basin::jacobian_of<normalizer_type>::rank> delta{};
    for (std::size_t k = 0; k < scores.size(); ++k) {
      terms.push_back(basin::as_low_rank(n.jacobian(row, scores[k], weights[k])));
      basin::gather(delta, terms[k], dweights[k]);
    }
    std::vector<double> dscores;
    for (std::size_t k = 0; k < scores.size(); ++k)
      dscores.push_back(basin::score_gradient(terms[k], dweights[k], delta));
    CHECK(distance(dscores, j.at("dscores").template get<std::vector<double>>()) <= 16 * printed);
    if constexpr (basin::has_parameters<normalizer_type>) {
      std::vector<double> dnumbers(normalizer_type::parameters),
          expected = j.at("dnumbers").template get<std::vector<double>>();
      for (std::size_t k = 0; k < scores.size(); ++k) {
        auto const given = n.parameter_gradient(row, scores[k], weights[k], dweights[k], dscores[k]);
        for (std::size_t i = 0; i < given.size(); ++i) dnumbers[i] += given[i];
      }
      expected.erase(expected.begin(), expected.end() - normalizer_type::parameters);  // asentmax: delta is not learned
      CHECK(distance(dnumbers, expected) <= 64 * printed);
    }
  });
}

TEST_CASE("norms of Jacobians from their low-rank form agree with a dense SVD", "[parity][theory]") {
  for_each_fixture([](auto const& j, auto const& n, auto scores) {
    auto at = context_of<double>(scores.size());
    for (int hidden = 0; hidden < 2; ++hidden) {
      CHECK(std::fabs(basin::theory::jacobian_norm(n, scores, at) - j.at("spectral").template get<double>()) <=
            16 * printed);
      CHECK(std::fabs(basin::theory::jacobian_frobenius_norm(n, scores, at) -
                      j.at("frobenius").template get<double>()) <= 16 * printed);
      scores.insert(scores.begin() + 1, -inf);                   // a score of -inf changes nothing
    }
  });
}

TEST_CASE("norms of Jacobians equal their known values", "[unit][theory]") {
  using basin::theory::jacobian_norm;
  std::vector<double> const tied(2, 0.75), even(1000, 1.0);
  auto const of_two = context_of<double>(2);
  CHECK(std::fabs(jacobian_norm(basin::softmax{}, tied, of_two) - 0.5) <= 1e-14);
  CHECK(std::fabs(jacobian_norm(basin::softmax{0.1}, tied, of_two) - 5) <= 1e-13);             // 1 / (2 T)
  for (double const alpha : {1.25, 1.5, 1.75, 2.0})                                           // 2^(alpha - 2)
    CHECK(std::fabs(jacobian_norm(basin::entmax{{alpha}}, tied, of_two) - std::pow(2, alpha - 2)) <= 1e-14);
  CHECK(std::fabs(jacobian_norm(basin::entmax15{}, tied, of_two) - std::sqrt(0.5)) <= 1e-14);
  CHECK(std::fabs(jacobian_norm(basin::softmax{}, even, context_of<double>(1000)) - 1e-3) <= 1e-15);
  CHECK(jacobian_norm(basin::softmax{}, {}, context_of<double>(0)) == 0);
  CHECK(jacobian_norm(basin::softmax{}, std::vector{-inf, -inf}, of_two) == 0);
  CHECK(jacobian_norm(basin::sparsemax{}, std::vector{3.0, 0.0}, of_two) == 0);  // a single key in the support
}

TEST_CASE("no softmax or entmax Jacobian exceeds its bound, however long the row", "[property][theory]") {
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    for (std::size_t const n : {3u, 50u, 2000u}) {
      auto const scores = row_of_scores(row_kind::smooth, seed, n);
      auto const at = context_of<double>(n);
      CAPTURE(seed, n);
      CHECK(basin::theory::jacobian_norm(basin::softmax{0.25}, scores, at) <= 2 + 1e-12);      // 1 / (2 T)
      for (double const alpha : {1.25, 1.5, 2.0})
        CHECK(basin::theory::jacobian_norm(basin::entmax{{alpha}}, scores, at) <= std::pow(2, alpha - 2) + 1e-12);
    }
}

}  // namespace basin_test
