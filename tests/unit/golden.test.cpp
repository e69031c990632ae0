// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers every file of normalize/: golden weights, computed elsewhere in double precision.
#include <numeric>

#include "basin/basin.hpp"
#include "support/catch.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"

namespace basin_test {

namespace {

using row = std::vector<double>;

row const z{2.0, 1.0, 0.1, -1.0, 0.5};
double const printed = 1e-9;                                     // the golden vectors have nine decimals

/// The report of an observer on a row of weights.
template <class Observer>
double observed(Observer const& observer, row const& weights) {
  basin::observation const seen(observer);
  typename basin::observation<Observer>::template rows<double> states{};
  for (double const w : weights) seen.absorb(states, basin::seen_term<double>{w, std::log(w)});
  return seen.report(states, 1.0, 0.0, states.added)[0];
}

}  // namespace

TEST_CASE("softmax gives the golden weights at temperatures 1 and 0.5", "[unit][normalizer]") {
  auto const weights = weights_of(basin::softmax{}, z);
  CHECK(distance(weights, row{0.558545234, 0.205477309, 0.083540839, 0.027808330, 0.124628288}) <= printed);
  CHECK(distance(weights_of(basin::softmax{0.5}, z),
                 row{0.826465491, 0.111849941, 0.018488671, 0.002048603, 0.041147294}) <= printed);
  CHECK(std::fabs(observed(basin::entropy{}, weights) - 1.2169919955) <= printed);
  CHECK(std::fabs(observed(basin::max_weight{}, weights) - 0.558545234) <= printed);
}

TEST_CASE("scalable softmax gives the golden weights of five keys at s = 0.43", "[unit][normalizer]") {
  row const expected{0.444724455, 0.222604485, 0.119407751, 0.055772448, 0.157490862};
  CHECK(distance(weights_of(basin::length_scaled<basin::softmax, basin::ssmax>{}, z), expected) <= printed);
  CHECK(basin::ssmax{}.s == 0.43);
  CHECK(basin::ssmax{}.scale(basin::row_context<double>{0, 0, 0.0, 1.0}) == 0);
  CHECK(basin::ssmax{}.scale(basin::row_context<double>{0, 0, 0.0, 0.0}) == 0);                // not the log of 0
}

TEST_CASE("log-n scaling is 1 up to the trained length and log n / log n0 beyond it", "[unit][normalizer]") {
  auto const scale = [](double trained, double visible) {
    return basin::log_n{trained}.scale(basin::row_context<double>{0, 0, 0.0, visible});
  };
  CHECK(scale(512, 512) == 1);
  CHECK(scale(512, 3) == 1);
  CHECK(scale(512, 0) == 1);
  CHECK(std::fabs(scale(512, 262144) - 2) <= 1e-15);
  CHECK(std::fabs(scale(4, 32) - 2.5) <= 1e-15);
  // z padded to 16 keys of weight 0: the scale is 2, and softmax(2 z) is softmax at temperature 0.5
  row padded = z;
  padded.resize(16, -1e5);
  auto const weights = weights_of(basin::length_scaled<basin::softmax, basin::log_n>{{}, {4}}, padded);
  CHECK(distance(row(weights.begin(), weights.begin() + 5),
                 row{0.826465491, 0.111849941, 0.018488671, 0.002048603, 0.041147294}) <= printed);
}

TEST_CASE("sparsemax gives the golden weights, also where the threshold equals a score", "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::sparsemax{}, z), row{1, 0, 0, 0, 0}) == 0);
  // the score 1.0 equals tau and is not in the support
  CHECK(basin::fit_row(basin::sparsemax{}, std::span<double const>(z), context_of<double>(5)).size == 1);
  row const other{1, 0.6, 0.1, -0.5, 0.35};
  row const expected{0.683333333, 0.283333333, 0, 0, 0.033333333};
  CHECK(distance(weights_of(basin::sparsemax{}, other), expected) <= printed);
  auto const fitted = basin::fit_row(basin::sparsemax{}, std::span<double const>(other), context_of<double>(5));
  CHECK(std::fabs(fitted.max + fitted.tau.cut - 0.316666667) <= printed);
  CHECK(fitted.size == 3);
  CHECK(std::fabs(observed(basin::entropy{}, expected) - 0.7308882965) <= 4 * printed);
}

TEST_CASE("top_k is softmax over the k largest scores", "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::top_k{2}, z), row{0.731058579, 0.268941421, 0, 0, 0}) <= printed);
  CHECK(distance(weights_of(basin::top_k{1}, z), row{1, 0, 0, 0, 0}) == 0);
  CHECK(distance(weights_of(basin::top_k{5}, z),
                 row{0.558545234, 0.205477309, 0.083540839, 0.027808330, 0.124628288}) <= printed);
}

TEST_CASE("top_k keeps every tie with the k-th largest score", "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::top_k{2}, row{1, 3, 1, 0, 1}), weights_of(basin::top_k{4}, row{1, 3, 1, 0, 1})) ==
        0);
  CHECK(weights_of(basin::top_k{1}, row{2, 2}) == row{0.5, 0.5});
}

TEST_CASE("top_k finds the same k-th largest score as sorting, for every k", "[unit][normalizer]") {
  row scores(50);
  std::iota(scores.begin(), scores.end(), 0.0);
  for (double& s : scores) s = std::exp(0.8 * std::fmod(s * 17, 50)) - 1e3;  // distances of 1e-3 to 1e17, shuffled
  row sorted = scores;
  std::sort(sorted.rbegin(), sorted.rend());
  for (int k = 1; k <= 50; ++k) {
    auto const fitted = basin::fit_row(basin::top_k{k}, std::span<double const>(scores), context_of<double>(50));
    CAPTURE(k);
    CHECK(fitted.set.low <= sorted[static_cast<std::size_t>(k) - 1]);
    CHECK((k == 50 || fitted.set.low > sorted[static_cast<std::size_t>(k)]));
  }
}

TEST_CASE("softmax_n is softmax with one more key of score 0, and sink_logit with one more of a learned logit",
          "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::softmax_n{}, z),
                 row{0.519291532, 0.191036679, 0.077669717, 0.025854003, 0.115869603}) <= printed);
  CHECK(distance(weights_of(basin::softmax_n{std::exp(1.0)}, z), weights_of(basin::sink_logit{{1.0}}, z)) <= 1e-15);
  CHECK(distance(weights_of(basin::sink_logit{{1.0}}, z),
                 row{0.463339484, 0.170453071, 0.069301047, 0.023068315, 0.103385013}) <= printed);
  CHECK(distance(weights_of(basin::sink_logit{{-inf}}, z), weights_of(basin::softmax{}, z)) <= 1e-15);
  CHECK(weights_of(basin::sink_logit{{1e4}}, z) == row(5, 0));
  CHECK(weights_of(basin::sink_logit{{-inf}}, row{-inf, -inf}) == row{0, 0});
  float const logits[] = {-7, 1};
  basin::row_context<double> const second{0, 1, 4, 5};
  auto const of_head = weights_of(basin::sink_logit{{0, basin::contiguous(logits, 2)}}, z, second);
  CHECK(distance(of_head, weights_of(basin::sink_logit{{1.0}}, z)) == 0);
}

TEST_CASE("sigmoid, relu and squared_relu give the golden weights", "[unit][normalizer]") {
  row const expected{0.596418003, 0.352187428, 0.181022109, 0.068533477, 0.247975694};
  CHECK(distance(weights_of(basin::sigmoid{-std::log(5.0)}, z), expected) <= printed);
  CHECK(distance(weights_of(basin::sigmoid::for_length(5), z), expected) <= printed);
  CHECK(distance(weights_of(basin::relu{}, z), row{0.4, 0.2, 0.02, 0, 0.1}) <= 1e-15);
  CHECK(distance(weights_of(basin::relu{0.5}, z),
                 row{0.4 * std::sqrt(5), 0.2 * std::sqrt(5), 0.02 * std::sqrt(5), 0, 0.1 * std::sqrt(5)}) <= 1e-15);
  CHECK(distance(weights_of(basin::squared_relu{}, z), row{0.16, 0.04, 0.0004, 0, 0.01}) <= 1e-15);
}

TEST_CASE("softpick gives the golden weights, also where all scores are tiny, negative or zero", "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::softpick{0}, z), row{0.673003275, 0.180998457, 0.011078377, 0, 0.068334279}) <=
        printed);
  CHECK(weights_of(basin::softpick{}, row{-1, -200, 0}) == row{0, 0, 0});
  CHECK(weights_of(basin::softpick{0}, row{0, 0}) == row{0, 0});
  // needs expm1, not exp - 1
  CHECK(distance(weights_of(basin::softpick{0}, std::vector<float>{3e-6f, -1e-6f, 1e-6f}), row{0.6, 0, 0.2}) <= 1e-6);
  CHECK(std::fabs(weights_of(basin::softpick{}, row{1e-8})[0] - 0.5) <= 1e-7);  // epsilon is in units of e^s - 1
}

TEST_CASE("self-adjusted softmax gives the golden weights, normalised and plain", "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::self_adjusted{}, z), row{0.558545234, 0.136984872, 0.030631641, 0, 0.062314144}) <=
        printed);
  CHECK(distance(weights_of(basin::self_adjusted_plain{}, z),
                 row{1.117090469, 0.205477309, 0.008354084, -0.027808330, 0.062314144}) <= printed);
  CHECK(weights_of(basin::self_adjusted{}, row{0, 0}) == row{0.5, 0.5});
  CHECK(distance(weights_of(basin::self_adjusted{}, row{3, 3}), row{0.5, 0.5}) == 0);          // b = 3, a = 0
  CHECK(weights_of(basin::self_adjusted{}, row{-3, -3}) == row{0, 0});
  // b - a overflows float
  CHECK(weights_of(basin::self_adjusted{}, std::vector<float>{3e38f, -3e38f, 0}) == std::vector<float>{1, 0, 0});
}

TEST_CASE("entmax gives the golden weights for alpha 1.25, 1.5, 1.75 and 2", "[unit][normalizer]") {
  auto const threshold = [](double alpha, row const& scores) {
    auto const fitted =
        basin::fit_row(basin::entmax{{alpha}}, std::span<double const>(scores), context_of<double>(scores.size()));
    return fitted.tau.cut + (alpha - 1) * fitted.max;
  };
  CHECK(distance(weights_of(basin::entmax{{1.25}}, z),
                 row{0.689347248, 0.191120921, 0.036199915, 0.000675095, 0.082656820}) <= printed);
  CHECK(std::fabs(threshold(1.25, z) + 0.411191189) <= printed);
  row const half{0.814649437, 0.162070113, 0, 0, 0.023280450};
  CHECK(distance(weights_of(basin::entmax{{1.5}}, z), half) <= printed);
  CHECK(distance(weights_of(basin::entmax15{}, z), half) <= printed);
  auto const fitted = basin::fit_row(basin::entmax15{}, std::span<double const>(z), context_of<double>(5));
  CHECK(std::fabs(fitted.tau.cut + 0.5 * fitted.max - 0.097420675) <= printed);
  CHECK(distance(weights_of(basin::entmax{{1.75}}, z), row{0.901807134, 0.098192866, 0, 0, 0}) <= printed);
  CHECK(std::fabs(threshold(1.75, z) - 0.574587738) <= printed);
  CHECK(distance(weights_of(basin::entmax{{2}}, z), row{1, 0, 0, 0, 0}) <= 1e-15);
  CHECK(distance(weights_of(basin::entmax{{2}}, row{1, 0.6, 0.1, -0.5, 0.35}),
                 row{0.683333333, 0.283333333, 0, 0, 0.033333333}) <= printed);
  CHECK(distance(weights_of(basin::entmax{{1.001}}, z), weights_of(basin::softmax{}, z)) <= 2e-3);
}

TEST_CASE("top_p keeps the smallest set of scores with the requested mass", "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::top_p{0.75}, z), row{0.731058579, 0.268941421, 0, 0, 0}) <= printed);
  CHECK(weights_of(basin::top_p{0.5}, z) == row{1, 0, 0, 0, 0});
  CHECK(weights_of(basin::top_p{1e-9}, z) == row{1, 0, 0, 0, 0});
  CHECK(distance(weights_of(basin::top_p{1}, z), weights_of(basin::softmax{}, z)) == 0);
  row const tied{1, 1, 1, -50};                                  // ties are kept
  CHECK(weights_of(basin::top_p{0.6}, tied) == weights_of(basin::top_k{3}, tied));
}

TEST_CASE("entropy-adaptive temperature sharpens rows of entropy 0.85 to 5.94", "[unit][normalizer]") {
  // H = 1.2169919955 as above; P(H) = 1.575... was computed by Horner's rule in another program
  double const h = 1.2169919955, beta = (((-0.037 * h + 0.481) * h - 2.3) * h + 4.917) * h - 1.791;
  CHECK(beta > 1);
  CHECK(distance(weights_of(basin::adaptive_temperature{}, z), weights_of(basin::softmax{1 / beta}, z)) <= 1e-9);
  row const sharp{5, 0, 0, -1, 0.5};
  CHECK(distance(weights_of(basin::adaptive_temperature{}, sharp), weights_of(basin::softmax{}, sharp)) <= 1e-15);
  row wide(500, 0.0);
  wide[0] = 1;
  CHECK(distance(weights_of(basin::adaptive_temperature{}, wide), weights_of(basin::softmax{}, wide)) <= 1e-15);
}

TEST_CASE("scaling laws give their formulas of length and position", "[unit][normalizer]") {
  auto const at = [](double query, double visible) { return basin::row_context<double>{0, 1, query, visible}; };
  float const numbers[] = {9, 0.5f};
  basin::learned_ssmax const learned{{0, basin::contiguous(numbers, 2)}};
  CHECK(std::fabs(learned.scale(at(0, std::exp(4.0))) - 2) <= 1e-15);
  CHECK(learned.scale(at(0, 1)) == 0);
  CHECK(std::fabs(basin::su_log_n{}.scale(at(0, 512)) - 1) <= 1e-15);
  CHECK(std::fabs(basin::su_log_n{1}.scale(at(0, 20)) - std::log(20.0)) <= 1e-15);
  CHECK(basin::position_steps{}.scale(at(8190, 1)) == 1);                                     // floor(8191 / 8192) = 0
  CHECK(std::fabs(basin::position_steps{}.scale(at(8191, 1)) - (1 + 0.1 * std::log(2.0))) <= 1e-15);
  CHECK(std::fabs(basin::position_steps{}.scale(at(3 * 8192.0, 1)) - (1 + 0.1 * std::log(4.0))) <= 1e-15);
  CHECK(basin::yarn{}.scale(at(0, 7)) == 1);
  CHECK(std::fabs(basin::yarn{32}.scale(at(0, 7)) - 1.8132604340) <= 1e-9);  // gpt-oss: c = 1.3465735903
  basin::asentmax const scale{1, {0.5}, {2}};
  CHECK(std::fabs(scale.scale(at(6, 7)) - (1 + 0.5 * std::pow(std::log(8.0), 2))) <= 1e-15);
  // no visible keys: not the log of 0
  CHECK(basin::su_log_n{}.scale(at(0, 0)) == 0);
  CHECK(learned.scale(at(0, 0)) == 0);
  CHECK(std::fabs((basin::asentmax{1, {0.5}, {-2}}.scale(at(0, 0))) - (1 + 0.5 * std::pow(std::log(2.0), -2))) <=
        1e-15);
}

TEST_CASE("a row of one key has entropy 0 and largest weight 1, a row of no keys 0 and 0", "[unit][observer]") {
  CHECK(observed(basin::entropy{}, {}) == 0);
  CHECK_FALSE(std::signbit(observed(basin::entropy{}, {})));
  CHECK(observed(basin::entropy{}, {1.0}) == 0);
  CHECK(observed(basin::entropy{}, {0.0, 1.0, 0.0}) == 0);
  CHECK(observed(basin::max_weight{}, {}) == 0);
  CHECK(observed(basin::max_weight{}, {0.25, 0.75}) == 0.75);
}

TEST_CASE("rescaling a row observer midway equals observing rescaled weights", "[property][observer]") {
  row const terms{0.5, 2.0, 0.0, 8.0, 1e-3};
  auto const both = basin::together(basin::entropy{}, basin::max_weight{});
  basin::observation const observation(both);
  using states = decltype(observation)::rows<double>;
  for (double const by : {1.0, 0.25, 1e-30, 0.0}) {
    states a{}, b{};
    for (double const t : terms) {
      observation.absorb(a, basin::seen_term<double>{t, std::log(t)});
      observation.absorb(b, basin::seen_term<double>{t * by, std::log(t * by)});
    }
    observation.rescale(a, by, a.added);
    auto const later = observation.report(a, 0.1, 0.0, a.added), before = observation.report(b, 0.1, 0.0, b.added);
    CAPTURE(by);
    CHECK(std::fabs(later[0] - before[0]) <= 1e-14 * (1 + std::fabs(before[0])));
    CHECK(later[1] == before[1]);
  }
}

}  // namespace basin_test
