// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers examples/limits/candidate.hpp, comma_list.hpp, options.hpp, summary.hpp and claims.hpp
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "limits/candidate.hpp"
#include "limits/claims.hpp"
#include "limits/comma_list.hpp"
#include "limits/summary.hpp"
#include "support/catch.hpp"

namespace basin::limits {

TEST_CASE("normalizers are chosen by name, in the given order", "[unit][limits]") {
  auto const two = chosen_of(all_candidates({64}), {"top_k", "softmax"});
  REQUIRE(two.size() == 2);
  CHECK(two[0].name == "top_k");
  CHECK(two[1].name == "softmax");
  CHECK(chosen_of(all_candidates({64}), {}).size() == all_candidates({64}).size());
  CHECK_THROWS_AS(chosen_of(all_candidates({64}), {"unlisted"}), value_error);
  CHECK_THROWS_AS(chosen_of(all_candidates({64}), {"softmax", "softmax"}), value_error);
}

TEST_CASE("lists of numbers and words are parsed, and malformed ones are refused", "[unit][limits]") {
  lm::interval<index_t> const whole{1, 300};
  CHECK(comma_list<index_t>("--x", "1,20,300", whole) == std::vector<index_t>{1, 20, 300});
  CHECK(comma_list<double>("--x", "1e-3,10", {1e-3, 10}) == std::vector<double>{1e-3, 10});
  CHECK(comma_names("--x", "a,b c") == std::vector<std::string>{"a", "b c"});
  CHECK(comma_text(std::vector<double>{0.5, 10}) == "0.5,10");
  for (char const* const wrong : {"", "1,", "1,,2", "1;2", "1 2", "1.5", "x", "0", "301", "-1", "99999999999999999999"})
    CHECK_THROWS_AS(comma_list<index_t>("--x", wrong, whole), value_error);
  for (char const* const wrong : {"nan", "inf", "1e400", "1e-4"})
    CHECK_THROWS_AS(comma_list<double>("--x", wrong, {1e-3, 10}), value_error);
  CHECK_THROWS_AS(comma_names("--x", "a,"), value_error);
}

TEST_CASE("options that give no figures are refused", "[unit][limits]") {
  limits_options o;
  CHECK_NOTHROW(validate(o));
  auto const refused = [&](auto change) {
    auto other = o;
    change(other);
    CHECK_THROWS_AS(validate(other), value_error);
  };
  refused([](auto& x) { x.lengths = {}; });
  refused([](auto& x) { x.lengths = {1}; });
  refused([](auto& x) { x.lengths = {64, 64}; });
  refused([](auto& x) { x.top = {0}; });
  refused([](auto& x) { x.temperatures = {0}; });
  refused([](auto& x) { x.temperatures = {NAN}; });
  refused([](auto& x) { x.epsilons = {-1}; });
  refused([](auto& x) { x.fixed_top = 1024; });
  refused([](auto& x) { x.random_model = {1, 2, 0}; });
  refused([](auto& x) { x.exact_draws = 1; });
  refused([](auto& x) { x.sensitivity_rows = 0; });
  refused([](auto& x) { x.critical_rows = 0; });
  refused([](auto& x) { x.threads = -1; });
}

/// Two normalizers, one head, theorem 1 at two lengths. The second normalizer breaks its bound in half of its rows.
findings two_normalizers() {
  findings f;
  f.options.lengths = {32, 1024};
  f.options.selected = {16};
  f.options.temperatures = {1};
  f.options.epsilons = {0.1};
  f.layers = f.heads = 1;
  f.normalizers = {"first", "second"};
  for (int normalizer = 0; normalizer < 2; ++normalizer) {
    head_index const at{normalizer, 0, 0};
    for (index_t const length : {32, 1024}) {
      double const l = static_cast<double>(length);
      f.found.distances.push_back({at, length, 5, l, 0.5, l, 2, l, 3, 2 * l, normalizer * 0.5, 2.5, 2, 3, 10, 2});
      f.found.monitors.push_back({at, length, 1, 0.5, normalizer == 0 ? 1 / l : 0.5, 1, 4, 1, 10});
    }
    f.found.separations.push_back({at, 16, 0.75 - 0.5 * normalizer, 0, 0.1, 1, 1, 1, 0, 0, 10});
    f.found.sensitivities.push_back({at, 1, 0.1, 0.1, normalizer == 0 ? 0.2 : 0.3, 10});
  }
  return f;
}

TEST_CASE("each claim has a verdict for the first normalizer, and names those that violate it", "[unit][limits]") {
  auto const claims = judge_claims(two_normalizers());
  REQUIRE(claims.size() == 9);  // no search of the critical N
  auto const expect = [&](std::size_t n, char const* name, verdict judged, char const* conclusion,
                          char const* measured) {
    CAPTURE(claims[n].name, claims[n].conclusion, claims[n].measured);
    CHECK(claims[n].name == name);
    CHECK(claims[n].judged == judged);
    CHECK(claims[n].conclusion == conclusion);
    CHECK(claims[n].measured.find(measured) != std::string::npos);
  };
  expect(0, "Lemma 1", verdict::holds, "holds", "falls about as 1/n under first");
  expect(1, "Theorem 1, upper bound", verdict::holds,
         "holds for 1 of 2 normalizers and is violated under second (the proof needs weights of at least 0)",
         "single rows exceed it under second, up to 50.0 % of the rows of a head");
  expect(
      2, "Theorem 1, growth (figure 2a)", verdict::violated, "is violated under all 2 normalizers",
      "as n^1.00 and n^0.00 under first; within n^0.85 to n^1.15 is the distance under all 2 normalizers, and E under "
      "no normalizer");
  expect(3, "Theorem 1, expectation", verdict::violated,
         "is violated under all 2 normalizers: E is only a lower bound (Jensen's inequality)",
         "25 % above E under first (25 to 25 % over the normalizers), and never above the proved upper bound");
  expect(4, "Theorem 2, upper bound", verdict::holds, "holds for all 2 normalizers", "no row exceeds it");
  expect(5, "Theorem 2, lower bound", verdict::holds, "holds for all 2 normalizers", "no row is below it");
  expect(6, "Plateau (figure 3)", verdict::holds, "holds for 1 of 2 normalizers and is violated under second",
         "of N = 16 tokens, 75 % under first; in that range under first");
  expect(7, "Corollary 3", verdict::holds, "holds for 1 of 2 normalizers and is violated under second",
         "single rows exceed it under second; the largest g under first is 0.80 times it");
  expect(8, "Corollary 3, corrected", verdict::holds, "holds for all 2 normalizers",
         "no row exceeds it; the largest g under first is 0.40 times it");
  CHECK(sentence_of(claims[8]) ==
        "Claim: " + claims[8].claim + "; measured: " + claims[8].measured + "; verdict: holds for all 2 normalizers.");
}

TEST_CASE("without a drawn expectation or a fall as 1/n a claim is not applicable", "[unit][limits]") {
  auto f = two_normalizers();
  f.normalizers = {"first"};
  for (auto& d : f.found.distances) d.exact = NAN;
  for (auto& m : f.found.monitors) m.max_weight = 0.5;
  auto const claims = judge_claims(f);
  CHECK(claims[0].judged == verdict::not_applicable);
  CHECK(claims[1].conclusion == "holds");
  CHECK(claims[2].conclusion == "is violated");
  CHECK(claims[3].judged == verdict::not_applicable);
  CHECK(claims[3].conclusion == "not applicable");
}

TEST_CASE("figures are averaged over heads, and exponents are fitted", "[unit][limits]") {
  auto f = two_normalizers();
  CHECK(distance_at(f, 0, 1024, 5, &distance_figure::true_a).mean == 1024);
  CHECK(std::isnan(distance_at(f, 0, 512, 5, &distance_figure::true_a).mean));
  CHECK(growth(f.options.lengths, [&](index_t l) { return distance_at(f, 0, l, 5, &distance_figure::true_a); }).slope ==
        Approx(1.0));
  CHECK(std::isnan(growth({512}, [&](index_t l) { return distance_at(f, 0, l, 5, &distance_figure::true_a); }).slope));
  f.found.distances.push_back({{0, 0, 1}, 1024, 5, 2048, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1});
  auto const two = distance_at(f, 0, 1024, 5, &distance_figure::true_a);
  CHECK(two.mean == 1536);
  CHECK(two.standard_error == Approx(512));
}

}  // namespace basin::limits
