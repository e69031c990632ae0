// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers theory/bounds.hpp, decay.hpp and sensitivity.hpp by experiment: the power of the length with which the largest
// weight falls, and the power of the temperature with which gradients rise. A slope is compared within six standard
// errors (for normal errors a false alarm once in 5e8; there are twenty comparisons) plus a bias that is worked out
// beside it.
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/theory/bounds.hpp"
#include "basin/theory/decay.hpp"
#include "basin/theory/saturation.hpp"
#include "basin/theory/sensitivity.hpp"
#include "support/catch.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"

namespace basin_test {

namespace theory = basin::theory;
using numbers = std::vector<double>;

namespace {

/// `even`: uniform scores in [-reach, reach]. `needle`: one score of reach, the others uniform in [-reach, 0].
enum class haystack { even, needle };

numbers scores_of(haystack kind, std::size_t n, double reach, splitmix& rng) {
  numbers s(n);
  for (double& x : s) x = kind == haystack::even ? reach * (2 * uniform_number(rng) - 1) : -reach * uniform_number(rng);
  if (kind == haystack::needle) s[rng() % n] = reach;
  return s;
}

struct decay {
  theory::line weight, entropy;
};

/// Fits of the largest weight and of the entropy over lengths 1024 to 32768, with eight rows each.
template <class N>
decay decay_of(N const& normalize, haystack kind, double reach) {
  splitmix rng{61};
  numbers lengths, most, nats;
  for (std::size_t n = 1024; n <= 32768; n *= 2)
    for (int row = 0; row < 8; ++row) {
      auto const w = weights_of(normalize, scores_of(kind, n, reach, rng));
      lengths.push_back(static_cast<double>(n));
      most.push_back(*std::max_element(w.begin(), w.end()));
      nats.push_back(theory::spread_of(w).nats);
    }
  return {theory::fit_power_law(lengths, most), theory::entropy_growth(lengths, nats)};
}

bool is_near(theory::line const& measured, double slope, double bias) {
  CAPTURE(measured.slope, measured.error, slope);
  CHECK(std::fabs(measured.slope - slope) <= 6 * measured.error + bias);
  return std::fabs(measured.slope - slope) <= 6 * measured.error + bias;
}

basin::length_scaled<basin::softmax, basin::ssmax> const scaled{{}, {0.43}};

}  // namespace

TEST_CASE("the largest weight of softmax falls as 1/L, needle or not, and its entropy rises as log L",
          "[property][theory]") {
  // Needle at 1, others in [-1, 0]: the weight 1/(1 + L (1 - 1/e)/e) is 0.004 at 1024, so the local slope is -0.996 or
  // steeper. Uniform scores: the largest of L scores is 2/L = 0.002 below its limit.
  auto const needle = decay_of(basin::softmax{}, haystack::needle, 1),
             even = decay_of(basin::softmax{}, haystack::even, 1);
  CHECK(is_near(needle.weight, -1, 0.005));
  CHECK(is_near(even.weight, -1, 0.005));
  CHECK(is_near(even.entropy, 1, 0.005));
  CHECK(is_near(decay_of(basin::softmax{3.0}, haystack::needle, 3).weight, -1, 0.005));
}

TEST_CASE("a needle keeps its weight under scalable softmax, top-k, sparsemax and entmax", "[property][theory]") {
  // Reach 3: the gap is 3 or more. ssmax: the other weights sum to at most L^(1 - 0.43 3) of the needle's, 0.13 at 1024
  // and falling. sparsemax and entmax15 give the needle all weight at gaps of 1 and 2. top 8: the seven others have at
  // most 7 exp(-3) = 0.35 of its weight, and so many keys near the gap are rare. The slope is at most the logarithm of
  // these numbers over the logarithm of 32.
  double const range = std::log(32.0);
  auto const of_ssmax = decay_of(scaled, haystack::needle, 3).weight;
  CHECK(of_ssmax.slope >= -6 * of_ssmax.error);                  // it rises
  CHECK(of_ssmax.slope <= std::log(1.13) / range);
  CHECK(is_near(decay_of(basin::sparsemax{}, haystack::needle, 3).weight, 0, 1e-12));
  CHECK(is_near(decay_of(basin::entmax15{}, haystack::needle, 3).weight, 0, 1e-12));
  CHECK(is_near(decay_of(basin::top_k{8}, haystack::needle, 3).weight, 0, 7 * std::exp(-3.0) * 8 / 1024 * 3 / range));
  CHECK(std::fabs(decay_of(basin::sparsemax{}, haystack::needle, 3).entropy.slope) < 1e-12);
}

TEST_CASE("the largest weight of scalable softmax stops falling only beyond 2 s a = 1", "[property][theory]") {
  auto const slope = [](double reach) {
    numbers lengths, most;
    for (basin::index_t n = 1 << 12; n <= 1 << 18; n *= 4)
      lengths.push_back(static_cast<double>(n)), most.push_back(theory::spike_weight(scaled, reach, n));
    return theory::fit_power_law(lengths, most).slope;
  };
  // the weight 1 / (1 + (L-1) L^(-2 s a)) has the slope -(1 - 2 s a) (1 - weight)
  CHECK(slope(0.5) == Approx(-0.57).margin(0.57 * std::pow(2.0, -12 * 0.57)));
  CHECK(slope(0.25) == Approx(-0.785).margin(0.785 * std::pow(2.0, -12 * 0.785)));
  CHECK(std::fabs(slope(1.5)) < 0.08);                           // 2 s a = 1.29: 1 - weight is at most 0.08
}

TEST_CASE("without a needle only top-k keeps its largest weight, and the others fall as L^-1, L^-1/2 and L^-2/3",
          "[property][theory]") {
  // Sorted scores are 2a/L apart. sparsemax: k^2 (2a/L) / 2 = 1, so the largest weight is k 2a/L = 2 sqrt(a/L).
  // entmax15 halves the scores: k^3 (a/L)^2 / 3 = 1, the largest weight is (k a/L)^2. Replacing sums by integrals
  // changes these by 1/k; k >= 20 at 1024: 0.05 / log 32 = 0.015.
  CHECK(is_near(decay_of(basin::sparsemax{}, haystack::even, 2).weight, -1.0 / 2, 0.015));
  CHECK(is_near(decay_of(basin::entmax15{}, haystack::even, 2).weight, -2.0 / 3, 0.015));
  auto const kept = decay_of(basin::top_k{8}, haystack::even, 2);
  // the eight largest scores lie within 8 2a/L
  CHECK(is_near(kept.weight, 0, 8 * 4.0 / 1024 / std::log(32.0)));
  CHECK(is_near(kept.entropy, 0, 8 * 4.0 / 1024));
  // ssmax: the weight 2 a s log L / L falls slower than 1/L; d log log L / d log L = 1 / log L lies in [0.096, 0.145]
  auto const of_ssmax = decay_of(scaled, haystack::even, 2).weight;
  CHECK(of_ssmax.slope <= -1 + 0.145 + 6 * of_ssmax.error);
  // the largest score is 2a/L below its limit: a bias of c 4/L with c <= 4.5
  CHECK(of_ssmax.slope >= -1 + 0.096 - 6 * of_ssmax.error - 0.02);
}

TEST_CASE("gradients of a tied row follow 1/T until the step is as large as T, then they saturate",
          "[property][theory]") {
  splitmix rng{67};
  numbers tied(64);
  for (double& x : tied) x = -4 - 2 * uniform_number(rng);
  tied[5] = tied[40] = 0;                                        // the two largest
  numbers across(64);
  across[5] = std::sqrt(0.5), across[40] = -std::sqrt(0.5);
  auto const at = context_of<double>(64);
  numbers temperatures, found;
  for (double t = 0.01; t <= 0.3; t *= 1.5)
    temperatures.push_back(t), found.push_back(theory::gain(basin::softmax{}, tied, across, t, 1e-4, at));
  auto const law = theory::fit_power_law(temperatures, found);
  CHECK(std::fabs(law.slope + 1) <= 6 * law.error + 1e-3);  // the other weights sum to 62 exp(-4/T), 1e-4 at T = 0.3
  CHECK(std::exp(law.intercept) == Approx(0.5).epsilon(0.01));
  // at a T far below the step, the weights of the two are (1/2, 1/2) before it and (1, 0) after it
  for (double const step : {0.1, 10.0}) {
    CHECK(theory::gain(basin::softmax{}, tied, across, 0.001 * step, step, at) ==
          Approx(std::sqrt(0.5) / step).epsilon(1e-6));
    CHECK(theory::gain(basin::softmax{}, tied, across, 0.0001 * step, step, at) ==
          Approx(std::sqrt(0.5) / step).epsilon(1e-6));
  }
}

TEST_CASE("the largest gradient of random rows follows 1/T at small T, obeys the proved bound, and drops above T = 1",
          "[property][theory]") {
  // Algorithm 5 on 300 rows of 64 scores of deviation 2. At a small T the largest gradient is that of the most nearly
  // tied row. Whether that row is tied within T depends on the draw, so the slope scatters and is compared with -1
  // within 0.5.
  numbers const steps{1e-3, 1e-1, 10};
  numbers temperatures;
  for (double t = 0.01; t < 20; t *= 2) temperatures.push_back(t);
  numbers largest(temperatures.size() * 3), one(largest.size());
  for (std::uint64_t row = 0; row < 300; ++row) {
    auto const s = row_of_scores(row_kind::smooth, row, 64);
    auto const v = theory::random_direction(64, 1, row);
    theory::gains(basin::softmax{}, s, v, temperatures, steps, context_of<double>(64),
                  basin::contiguous(one.data(), static_cast<basin::index_t>(temperatures.size()), 3));
    for (std::size_t n = 0; n < one.size(); ++n) largest[n] = std::fmax(largest[n], one[n]);
  }
  numbers small_t, small_g;
  for (std::size_t t = 0; t < temperatures.size(); ++t) {
    for (std::size_t e = 0; e < 3; ++e)
      CHECK(largest[t * 3 + e] <= theory::gain_bound(temperatures[t], steps[e]) * (1 + 1e-9));
    if (temperatures[t] < 0.2) small_t.push_back(temperatures[t]), small_g.push_back(largest[t * 3]);
  }
  CHECK(theory::fit_power_law(small_t, small_g).slope == Approx(-1).margin(0.5));
  CHECK(largest[0] > 10 * largest[2]);                           // at T = 0.01 a smaller step gives a larger gradient
  CHECK(largest[2] <= std::sqrt(2.0) / 10);                      // a step of 10 is saturated
  std::size_t const warm = temperatures.size() - 1;              // T = 10.24: all steps give the same gradient
  CHECK(largest[warm * 3 + 2] == Approx(largest[warm * 3]).epsilon(0.5));
  CHECK(largest[warm * 3] < largest[0] / 100);
}

}  // namespace basin_test
