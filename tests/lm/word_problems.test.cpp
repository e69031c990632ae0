// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/evaluation/word_problems.hpp

#include <cstdlib>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/lm/evaluation/word_problems.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;

namespace {

/// What the words say, read with no help from the generator: the first number is held (or groups of a second one), then
/// each ",verb N" gains or loses N.
int solve(std::string const& prompt) {
  static std::regex const number{"[0-9]+"}, groups{"had ([0-9]+) [a-z]+ of ([0-9]+)"}, event{",([a-z]+) ([0-9]+)"};
  static std::set<std::string> const losing{"ate", "fed", "hid"};
  std::smatch found;
  int value = 0;
  if (std::regex_search(prompt, found, groups)) value = std::stoi(found[1]) * std::stoi(found[2]);
  else if (std::regex_search(prompt, found, number)) value = std::stoi(found[0]);
  for (std::sregex_iterator at{prompt.begin(), prompt.end(), event}, end; at != end; ++at)
    value += (losing.contains((*at)[1]) ? -1 : 1) * std::stoi((*at)[2]);
  return value;
}

/// "12 +4=16 -3=#13": each " op b=" carries the total on; "3*4=12" may begin.
bool tape_is_true(std::string const& answer, int result) {
  static std::regex const whole{"[0-9]+( ?[-+*][0-9]+=[0-9]+)* ?[-+*][0-9]+=#[0-9]+"},
      step{"([-+*])([0-9]+)=#?([0-9]+)"};
  if (!std::regex_match(answer, whole)) return false;
  int total = std::stoi(answer);
  for (std::sregex_iterator at{answer.begin(), answer.end(), step}, end; at != end; ++at) {
    char const what = (*at)[1].str()[0];
    int const b = std::stoi((*at)[2]);
    total = what == '+' ? total + b : what == '-' ? total - b : total * b;
    if (total != std::stoi((*at)[3])) return false;
  }
  return total == result;
}

}  // namespace

TEST_CASE("every problem fits its room and its answer is what its words say", "[unit][problems]") {
  auto const part = GENERATE(lm::split::training, lm::split::test);
  basin::philox rng{7};
  for (int i = 0; i < 2000; ++i) {
    auto const p = lm::make_problem(rng, part);
    CAPTURE(p.prompt, p.answer, p.result);
    REQUIRE(p.prompt.size() <= std::size_t{lm::prompt_length});
    REQUIRE(p.answer.size() <= std::size_t{lm::answer_length});
    REQUIRE((p.result >= 10 && p.result <= 29));
    REQUIRE(solve(p.prompt) == p.result);
    REQUIRE(tape_is_true(p.answer, p.result));
    REQUIRE(p.answer.substr(p.answer.find('#')) == "#" + std::to_string(p.result));
    REQUIRE(lm::split_of(p.prompt) == part);
    auto const ids = lm::encode(p);
    REQUIRE(ids.size() == std::size_t{lm::problem_length});
    REQUIRE(lm::read_answer(ids) == p.result);
    REQUIRE(lm::read_answer(std::span{ids}.subspan(lm::prompt_length)) == p.result);
  }
}

TEST_CASE("the same seed tells the same problems, and no test problem is trained on", "[unit][problems]") {
  basin::philox first{1}, again{1}, other{2};
  std::set<std::string> seen;
  bool differs = false;
  for (int i = 0; i < 5000; ++i) {
    auto const p = lm::make_problem(first, lm::split::training);
    REQUIRE(p.prompt == lm::make_problem(again, lm::split::training).prompt);
    differs = differs || p.prompt != lm::make_problem(other, lm::split::training).prompt;
    seen.insert(p.prompt);
  }
  REQUIRE(differs);
  REQUIRE(seen.size() > 4000);
  for (int i = 0; i < 2000; ++i) REQUIRE_FALSE(seen.contains(lm::make_problem(first, lm::split::test).prompt));
}

TEST_CASE("about one prompt in ten is for test", "[unit][problems]") {
  int tests = 0;
  for (int i = 0; i < 20000; ++i)
    tests += lm::split_of("Ann has " + std::to_string(i) + " figs.") == lm::split::test;
  REQUIRE(std::abs(tests - 2000) < 212);  // five standard deviations of a binomial of 20000 and 0.1
}

TEST_CASE("an encoded problem is its text, padded", "[unit][problems]") {
  lm::word_problem const p{"Ann had 13 figs,got 4. Now?", "13 +4=#17", 17};
  REQUIRE(lm::text_of_ids(lm::encode(p)) == "Ann had 13 figs,got 4. Now?             13 +4=#17...............");
  lm::word_problem const long_prompt{std::string(41, 'x'), "#1", 1}, long_answer{"x", std::string(25, '1'), 1};
  REQUIRE_THROWS_AS(lm::encode(long_prompt), basin::value_error);
  REQUIRE_THROWS_AS(lm::encode(long_answer), basin::value_error);
}

TEST_CASE("only a number that ends the answer counts as one", "[unit][problems]") {
  auto const read = [](std::string const& text) { return lm::read_answer(lm::ids_of(text)); };
  REQUIRE(read("3+4=7 #7....") == 7);
  REQUIRE(read("#0") == 0);
  REQUIRE(read("#9 #12..") == 12);
  REQUIRE(read("#007.") == 7);
  for (char const* const bad : {"", "7", "#", "#..", "#1a..", "#1.2.", "#1 ..", "#-1.", "#1234", "# 5"}) {
    CAPTURE(bad);
    REQUIRE_FALSE(read(bad).has_value());
  }
  std::vector<int> const masked{'#', '1', lm::mask_id};
  REQUIRE_FALSE(lm::read_answer(masked).has_value());
}
