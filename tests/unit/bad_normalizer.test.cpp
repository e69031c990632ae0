// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers validate() of every file of normalize/ and law/: parameters out of range are refused by name and value.
// bad_input.test.cpp tests that engines call validate() first.
#include "basin/attention.hpp"
#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/scores.hpp"

namespace basin_test {

namespace {

/// validate(p) must throw an error with all `words` in its message.
template <class P>
void require_refused(P const& p, std::vector<std::string> const& words) {
  std::string said;
  try {
    basin::validate(p, basin::problem{1, 4, 4, 2, 5, 3, 3});
  } catch (basin::error const& e) {
    said = e.what();
  }
  for (auto const& word : words) {
    CAPTURE(said, word);
    CHECK(said.find(word) != std::string::npos);
  }
}

template <class N>
void require_normalizer_refused(N const& n, std::vector<std::string> const& words) {
  require_refused(n, words);
  require_refused(basin::length_scaled<N>{n, {}}, words);
}

template <class Law>
void require_law_refused(Law const& law, std::vector<std::string> const& words) {
  require_refused(basin::length_scaled<basin::softmax, Law>{{}, law}, words);
}

}  // namespace

TEST_CASE("the normalizers of the catalogue refuse parameters out of range, with the value in the message",
          "[unit][errors]") {
  for (double const n : {0.0, -1.0, nan, inf})
    require_normalizer_refused(basin::softmax_n{n}, {"basin::softmax_n", "n is " + basin::message(n), "softmax"});
  for (double const b : {nan, inf})
    require_normalizer_refused(basin::sink_logit{{b}}, {"basin::sink_logit", "logit is " + basin::message(b)});
  for (double const b : {nan, inf, -inf})
    require_normalizer_refused(basin::sigmoid{b}, {"basin::sigmoid", "bias is " + basin::message(b), "finite"});
  for (double const a : {nan, inf, -inf})
    require_normalizer_refused(basin::relu{a}, {"basin::relu", "power is " + basin::message(a)});
  for (double const e : {-1e-9, nan, inf})
    require_normalizer_refused(basin::softpick{e}, {"basin::softpick", "epsilon is " + basin::message(e)});
  for (double const p : {0.0, -0.5, 1.5, nan})
    require_normalizer_refused(basin::top_p{p}, {"basin::top_p", "p is " + basin::message(p), "at most 1"});
  for (double const a : {1.0, 0.5, 2.5, nan})
    require_normalizer_refused(basin::entmax{{a}}, {"basin::entmax", "alpha is " + basin::message(a), "1.001 to 2"});
  CHECK_NOTHROW(basin::validate(basin::sink_logit{{-inf}}));
  float const numbers[4] = {1.5, 1.5, 1.5, 1.5};
  basin::per_head const own{nan, basin::contiguous(numbers, 4)};                              // no head uses the nan
  CHECK_NOTHROW(basin::validate(basin::entmax{own}));
  CHECK_NOTHROW(basin::validate(basin::sink_logit{own}));
  CHECK_NOTHROW(basin::validate(basin::learned_ssmax{own}));
  CHECK_NOTHROW(basin::validate(basin::asentmax{1, own, own}));
}

TEST_CASE("scaling laws refuse parameters out of range, with the value in the message", "[unit][errors]") {
  for (double const s : {nan, inf, -inf})
    require_law_refused(basin::learned_ssmax{{s}}, {"basin::learned_ssmax", "s is " + basin::message(s)});
  for (double const k : {0.0, -1.0, nan, inf})
    require_law_refused(basin::su_log_n{k}, {"basin::su_log_n", "kappa is " + basin::message(k)});
  for (double const s : {-0.1, nan, inf})
    require_law_refused(basin::position_steps{s, 8}, {"basin::position_steps", "strength is " + basin::message(s)});
  for (double const s : {0.0, -1.0, inf})
    require_law_refused(basin::position_steps{0.1, s}, {"basin::position_steps", "step is " + basin::message(s)});
  for (double const f : {0.5, nan, inf})
    require_law_refused(basin::yarn{f}, {"basin::yarn", "factor is " + basin::message(f), "1 or more"});
  for (double const x : {-1.0, nan, inf}) {
    require_law_refused(basin::asentmax{x}, {"basin::asentmax", "delta is " + basin::message(x)});
    require_law_refused(basin::asentmax{1, {x}}, {"basin::asentmax", "beta is " + basin::message(x)});
  }
  for (double const g : {nan, inf, -inf})
    require_law_refused(basin::asentmax{1, {0.5}, {g}}, {"basin::asentmax", "gamma is " + basin::message(g)});
}

TEST_CASE("learned parameters of every head are checked on the host", "[unit][errors]") {
  auto const require_value_refused = [](auto const& n, std::vector<std::string> const& words) {
    basin::problem const call{1, 4, 4, 2, 5, 3, 3};
    std::string said;
    try {
      basin::check_policies_on_host("engine", basin::attention<>{}.with(n), call, {});
    } catch (basin::value_error const& e) {
      said = e.what();
    }
    for (auto const& word : words) {
      CAPTURE(said, word);
      CHECK(said.find(word) != std::string::npos);
    }
    CHECK_NOTHROW(basin::validate(n, call));                     // validate() alone does not read memory of a GPU
  };
  using basin::length_scaled, basin::softmax;
  for (float const bad : {static_cast<float>(nan), static_cast<float>(inf)}) {
    float const numbers[] = {1.5f, 1.25f, 2.0f, bad};
    basin::per_head const each{0, basin::contiguous(numbers, 4)}, good{0.5};
    std::string const is = " of head 3 is " + basin::message(bad) + "; it must be ";
    require_value_refused(basin::sink_logit{each}, {"basin::sink_logit: logit" + is + "a number, or -inf"});
    require_value_refused(basin::entmax{each}, {"basin::entmax: alpha" + is + "from 1.001 to 2"});
    require_value_refused(length_scaled<basin::entmax>{{each}, {}}, {"basin::entmax: alpha" + is});
    require_value_refused(length_scaled<softmax, basin::learned_ssmax>{{}, {each}},
                          {"basin::learned_ssmax: s" + is + "finite"});
    require_value_refused(length_scaled<softmax, basin::asentmax>{{}, {1, each, good}},
                          {"basin::asentmax: beta" + is + "0 or more, and finite"});
    require_value_refused(length_scaled<softmax, basin::asentmax>{{}, {1, good, each}},
                          {"basin::asentmax: gamma" + is + "finite"});
  }
}

TEST_CASE("learned parameters and their gradients must match the shape of the call", "[unit][errors]") {
  float const numbers[3] = {};
  double memory[64] = {};
  basin::per_head const few{0, basin::contiguous(numbers, 3)};
  basin::parameter_gradients const other{basin::contiguous(memory, 1, 1, 4, 3)};
  std::string const words = "has 3 values but the call has 4 heads",
                    shape = "gradients is [1, 1, 4, 3] but the call has";
  require_normalizer_refused(basin::sink_logit{few}, {"basin::sink_logit: logit " + words});
  require_normalizer_refused(basin::entmax{{1.5, basin::contiguous(numbers, 3)}}, {"basin::entmax: alpha " + words});
  require_law_refused(basin::learned_ssmax{few}, {"basin::learned_ssmax: s " + words});
  require_law_refused(basin::asentmax{1, few, {0}}, {"basin::asentmax: beta " + words});
  require_law_refused(basin::asentmax{1, {0.5}, few}, {"basin::asentmax: gamma " + words});
  require_normalizer_refused(basin::sink_logit{{}, other}, {"basin::sink_logit: " + shape});
  require_normalizer_refused(basin::entmax{{1.5}, other}, {"basin::entmax: " + shape});
  require_law_refused(basin::learned_ssmax{{0.1}, other}, {"basin::learned_ssmax: " + shape});
  require_law_refused(basin::asentmax{1, {0.5}, {0}, other}, {"basin::asentmax: " + shape});
  auto const folded =
      basin::strided(memory, std::array<basin::index_t, 4>{1, 1, 4, 2}, std::array<basin::index_t, 4>{8, 8, 1, 1});
  require_normalizer_refused(basin::sink_logit{{}, {folded}}, {"must not share memory"});
}

}  // namespace basin_test
