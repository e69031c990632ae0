// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers theory/row_limits.hpp on synthetic heads: the effects behind figures 2 and 3 of arXiv 2508.17821. Slopes are
// compared within six standard errors (for normal errors a false alarm once in 5e8), shares with margins of many times
// their scatter over rows.
#include <array>

#include "basin/theory/decay.hpp"
#include "basin/theory/row_limits.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

namespace basin_test {

namespace theory = basin::theory;
using numbers = std::vector<double>;

namespace {

/// Random unit vectors, shifted by `cone` in a common direction and projected back onto the sphere.
text cone_text(basin::index_t keys, basin::index_t dim, double cone, std::uint64_t seed) {
  text t(keys, dim, seed);
  t.onto_sphere();
  for (basin::index_t i = 0; i < keys; ++i) t.x[static_cast<std::size_t>(i * dim)] += cone;
  t.onto_sphere();
  return t;
}

/// The first key, a sink, has half of the weight; exponentials of normal scores share the other half.
numbers weights_with_sink(std::size_t keys, double deviation, splitmix& rng) {
  auto w = random_weights(keys - 1, rng, deviation);
  for (double& v : w) v /= 2;
  w.insert(w.begin(), 0.5);
  return w;
}

}  // namespace

TEST_CASE("the true distance grows with L, its expectation does not, and E' does", "[property][theory]") {
  splitmix rng{71};
  numbers lengths, measured, expected, printed;
  std::array<basin::index_t, 1> const five{5};
  for (basin::index_t keys = 64; keys <= 1024; keys *= 2)
    for (int row = 0; row < 4; ++row) {
      text const t = cone_text(keys, 32, 0.5, rng());
      auto const w = weights_with_sink(static_cast<std::size_t>(keys), 1.0, rng);
      std::array<theory::row_distance, 1> d;
      theory::row_distances(std::span<double const>(w), t.seen(), five, std::span<theory::row_distance>(d));
      lengths.push_back(static_cast<double>(keys));
      measured.push_back(d[0].a);
      expected.push_back(d[0].expected.formula);
      printed.push_back(d[0].expected.printed);
      // sum_i |w_i x_i| + N/(L-1) sum_i sum_{j != i} |w_j x_j| = 1 + N for every L
      CHECK(d[0].expected.formula <= 6);
      CHECK(d[0].expected.upper <= d[0].expected.formula + d[0].expected.excess + 1e-9);
      CHECK(d[0].a > d[0].expected.upper);                       // a top set is not a random one
    }
  auto const grows = theory::fit_power_law(lengths, measured), steady = theory::fit_power_law(lengths, expected),
             follows = theory::fit_power_law(lengths, printed);
  CAPTURE(grows.slope, grows.error, steady.slope, steady.error, follows.slope, follows.error);
  // The distance is (L - N) |s|. As L grows, |s| falls from the sink and four more keys to the sink alone, by at most 4
  // w: 0.1 in the slope over log 16.
  CHECK(std::fabs(grows.slope - 1) <= 6 * grows.error + 0.1);
  CHECK(std::fabs(steady.slope) <= 6 * steady.error + 0.1);
  CHECK(std::fabs(follows.slope - 1) <= 6 * follows.error + 0.1);
}

TEST_CASE("the plateau of N_s/N depends on the cone in which the embeddings lie", "[property][theory]") {
  splitmix rng{73};
  std::vector<basin::index_t> const counts{1, 16, 64, 256};
  auto const shares = [&](double cone) {
    text const t = cone_text(1024, 64, cone, 9);
    auto const geometry = theory::geometry_of(t.products());
    // the cosine of x + c e and y + c e
    CHECK(geometry.mean_cosine == Approx(cone * cone / (1 + cone * cone)).margin(0.01));
    numbers mean(counts.size());
    std::vector<theory::row_told_apart> row(counts.size());
    for (int n = 0; n < 8; ++n) {
      auto const w = weights_with_sink(1024, 2.0, rng);
      theory::row_tell_apart(std::span<double const>(w), t.seen(), counts, {1, geometry.least_distance, 64},
                             std::span(row));
      for (std::size_t c = 0; c < counts.size(); ++c) mean[c] += row[c].share / 8;
    }
    return mean;
  };
  auto const even = shares(0), narrow = shares(0.5);
  CAPTURE(even, narrow);
  CHECK(even[0] == 1);
  CHECK(narrow[0] == 1);
  CHECK(even[3] < 0.5);                                          // isotropic tokens are hardly distinguishable
  CHECK(narrow[3] > 0.6);                                        // tokens in a cone are
  CHECK(std::fabs(narrow[3] - narrow[2]) < 0.1);                 // a plateau
}

}  // namespace basin_test
