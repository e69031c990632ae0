// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers every file of normalize/: weights computed elsewhere, in double precision.
#include <numeric>

#include "basin/attention.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/observe/entropy.hpp"
#include "basin/observe/max_weight.hpp"
#include "support/catch.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

using row = std::vector<double>;

row const z{2.0, 1.0, 0.1, -1.0, 0.5};
double const printed = 1e-9;                                     // the vectors are printed to nine places

/// What an observer reports of a row of weights.
template <class Observer>
double observed(Observer const& watch, row const& weights) {
  typename Observer::template row<double> state{};
  for (double const w : weights) watch.absorb(state, basin::seen_term<double>{w, std::log(w)});
  return watch.report(state, 1.0);
}

}  // namespace

TEST_CASE("softmax at temperatures 1 and 0.5", "[unit][normalizer]") {
  auto const weights = weights_of(basin::softmax{}, z);
  CHECK(distance(weights, row{0.558545234, 0.205477309, 0.083540839, 0.027808330, 0.124628288}) <= printed);
  CHECK(distance(weights_of(basin::softmax{0.5}, z), row{0.826465491, 0.111849941, 0.018488671, 0.002048603, 0.041147294}) <= printed);
  CHECK(std::fabs(observed(basin::entropy{}, weights) - 1.2169919955) <= printed);
  CHECK(std::fabs(observed(basin::max_weight{}, weights) - 0.558545234) <= printed);
}

TEST_CASE("scalable softmax with s = 0.43 at five keys", "[unit][normalizer]") {
  row const expected{0.444724455, 0.222604485, 0.119407751, 0.055772448, 0.157490862};
  CHECK(distance(weights_of(basin::length_scaled<basin::softmax, basin::ssmax>{}, z), expected) <= printed);
  CHECK(basin::ssmax{}.s == 0.43);
  CHECK(basin::ssmax{}.scale(basin::row_context<double>{0, 0, 0.0, 1.0}) == 0);
  CHECK(basin::ssmax{}.scale(basin::row_context<double>{0, 0, 0.0, 0.0}) == 0);                // not log 0
}

TEST_CASE("log-n scaling is 1 up to the trained length and log n / log n0 beyond it", "[unit][normalizer]") {
  auto const scale = [](double trained, double visible) { return basin::log_n{trained}.scale(basin::row_context<double>{0, 0, 0.0, visible}); };
  CHECK(scale(512, 512) == 1);
  CHECK(scale(512, 3) == 1);
  CHECK(scale(512, 0) == 1);
  CHECK(std::fabs(scale(512, 262144) - 2) <= 1e-15);
  CHECK(std::fabs(scale(4, 32) - 2.5) <= 1e-15);
  // softmax(2 z) = softmax at temperature 0.5, of z padded to 16 keys by keys that weigh nothing
  row padded = z;
  padded.resize(16, -1e5);
  auto const weights = weights_of(basin::length_scaled<basin::softmax, basin::log_n>{{}, {4}}, padded);
  CHECK(distance(row(weights.begin(), weights.begin() + 5), row{0.826465491, 0.111849941, 0.018488671, 0.002048603, 0.041147294}) <= printed);
}

TEST_CASE("sparsemax, also where the threshold meets a score", "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::sparsemax{}, z), row{1, 0, 0, 0, 0}) == 0);
  CHECK(basin::fit_row(basin::sparsemax{}, std::span<double const>(z), context_of<double>(5)).size == 1);  // 1.0 = tau is outside
  row const other{1, 0.6, 0.1, -0.5, 0.35};
  row const expected{0.683333333, 0.283333333, 0, 0, 0.033333333};
  CHECK(distance(weights_of(basin::sparsemax{}, other), expected) <= printed);
  auto const fitted = basin::fit_row(basin::sparsemax{}, std::span<double const>(other), context_of<double>(5));
  CHECK(std::fabs(fitted.max + fitted.tau - 0.316666667) <= printed);
  CHECK(fitted.size == 3);
  CHECK(std::fabs(observed(basin::entropy{}, expected) - 0.7308882965) <= 4 * printed);
}

TEST_CASE("the two largest of five", "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::top_k{2}, z), row{0.731058579, 0.268941421, 0, 0, 0}) <= printed);
  CHECK(distance(weights_of(basin::top_k{1}, z), row{1, 0, 0, 0, 0}) == 0);
  CHECK(distance(weights_of(basin::top_k{5}, z), row{0.558545234, 0.205477309, 0.083540839, 0.027808330, 0.124628288}) <= printed);
}

TEST_CASE("top_k keeps every tie with the k-th largest score", "[unit][normalizer]") {
  CHECK(distance(weights_of(basin::top_k{2}, row{1, 3, 1, 0, 1}), weights_of(basin::top_k{4}, row{1, 3, 1, 0, 1})) == 0);
  CHECK(weights_of(basin::top_k{1}, row{2, 2}) == row{0.5, 0.5});
}

TEST_CASE("top_k finds the k-th of scores a sorting algorithm finds, for every k", "[unit][normalizer]") {
  row scores(50);
  std::iota(scores.begin(), scores.end(), 0.0);
  for (double& s : scores) s = std::exp(0.8 * std::fmod(s * 17, 50)) - 1e3;  // 1e-3 to 1e17 apart, shuffled
  row sorted = scores;
  std::sort(sorted.rbegin(), sorted.rend());
  for (int k = 1; k <= 50; ++k) {
    auto const fitted = basin::fit_row(basin::top_k{k}, std::span<double const>(scores), context_of<double>(50));
    CAPTURE(k);
    CHECK(fitted.low == sorted[static_cast<std::size_t>(k) - 1]);
  }
}

TEST_CASE("a row of one or no key has entropy 0 and the largest weight 1 or 0", "[unit][observer]") {
  CHECK(observed(basin::entropy{}, {}) == 0);
  CHECK_FALSE(std::signbit(observed(basin::entropy{}, {})));
  CHECK(observed(basin::entropy{}, {1.0}) == 0);
  CHECK(observed(basin::entropy{}, {0.0, 1.0, 0.0}) == 0);
  CHECK(observed(basin::max_weight{}, {}) == 0);
  CHECK(observed(basin::max_weight{}, {0.25, 0.75}) == 0.75);
}

TEST_CASE("row observers may be rescaled on the way", "[property][observer]") {
  row const terms{0.5, 2.0, 0.0, 8.0, 1e-3};
  basin::entropy const watch{};
  basin::max_weight const largest{};
  for (double const by : {1.0, 0.25, 1e-30, 0.0}) {
    basin::entropy::row<double> a{}, b{};
    basin::max_weight::row<double> m{}, n{};
    for (double const t : terms) {
      watch.absorb(a, basin::seen_term<double>{t, std::log(t)});
      watch.absorb(b, basin::seen_term<double>{t * by, std::log(t * by)});
      largest.absorb(m, basin::seen_term<double>{t, std::log(t)});
      largest.absorb(n, basin::seen_term<double>{t * by, std::log(t * by)});
    }
    watch.rescale(a, by);
    largest.rescale(m, by);
    CAPTURE(by);
    CHECK(std::fabs(watch.report(a, 0.1) - watch.report(b, 0.1)) <= 1e-14 * (1 + std::fabs(watch.report(b, 0.1))));
    CHECK(largest.report(m, 0.1) == largest.report(n, 0.1));
  }
}

}  // namespace basin_test
