// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers theory/row_limits.hpp, expectation.hpp, distinguish.hpp and kolmogorov_smirnov.hpp against NumPy and SciPy.
// fixtures/make_theory.py computes the fixtures from vectors and definitions.
#include <fstream>
#include <nlohmann/json.hpp>

#include "basin/theory/kolmogorov_smirnov.hpp"
#include "basin/theory/row_limits.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

namespace basin_test {

namespace {

namespace theory = basin::theory;
using numbers = std::vector<double>;

nlohmann::json const& fixture() {
  static nlohmann::json const all = nlohmann::json::parse(std::ifstream(BASIN_FIXTURES "/theory.json"));
  return all;
}

double const written = 1e-11;                                    // thirteen digits of numbers below 100

bool near(double a, double b, double more = 0) { return std::fabs(a - b) <= written + more; }

}  // namespace

TEST_CASE("distances, expectations and counts agree with their definitions over vectors", "[unit][theory]") {
  for (auto const& row : fixture().at("rows")) {
    auto const w = row.at("weights").get<numbers>();
    std::span<double const> const weights(w);
    auto const keys = static_cast<basin::index_t>(w.size());
    text raw(row.at("embeddings").get<numbers>(), keys, row.at("dim"));
    text sphere = raw;
    sphere.onto_sphere();
    auto const shape = theory::geometry_of(sphere.products());
    CHECK(near(shape.least_distance, row.at("delta"), 1e-8));    // the root of a difference of numbers near 1
    CHECK(near(shape.largest_norm, 1));
    theory::sphere const on{1, row.at("delta"), raw.dim};
    std::vector<basin::index_t> counts;
    for (auto const& c : row.at("cases")) counts.push_back(c.at("n"));
    std::vector<theory::row_distance> d(counts.size());
    std::vector<theory::row_told_apart> apart(counts.size());
    theory::row_distances(weights, raw.seen(), counts, std::span(d));
    theory::row_tell_apart(weights, sphere.seen(), counts, on, std::span(apart));
    for (std::size_t n = 0; n < counts.size(); ++n) {
      auto const& c = row.at("cases")[n];
      CAPTURE(keys, counts[n]);
      CHECK(near(d[n].mass, c.at("mass")));
      CHECK(near(d[n].a, c.at("a"), 1e-7));                      // sums of roots of differences: sqrt(eps) near 0
      CHECK(near(d[n].b, c.at("b"), 1e-7));
      CHECK(near(d[n].c, c.at("c"), 1e-7));
      CHECK(near(d[n].bound, c.at("bound")));
      CHECK(near(d[n].expected.formula, c.at("formula"), 1e-7));
      CHECK(near(d[n].expected.printed, c.at("printed"), 1e-7));
      CHECK(apart[n].share * static_cast<double>(counts[n]) == Approx(c.at("count").get<double>()).margin(1e-12));
      CHECK(near(apart[n].radius, c.at("radius"), 1e-8));
      double const lower = c.at("lower");
      CHECK(near(apart[n].bounds.lower, lower, 1e-8 * std::fabs(lower) / apart[n].radius));
      CHECK(near(apart[n].bounds.upper, c.at("upper"), 1e-8));
      auto const chosen = theory::strongest(weights, counts[n]);
      numbers selected;
      for (auto const i : chosen) selected.push_back(w[static_cast<std::size_t>(i)]);
      auto const xi = theory::spreads(selected, on);
      for (std::size_t i = 0; i < xi.size(); ++i) CHECK(near(xi[i], c.at("xi")[i], 1e-8));
    }
  }
}

TEST_CASE("the mean over all subsets lies between the formula and its upper bounds, and drawn sets estimate it",
          "[unit][theory]") {
  for (auto const& row : fixture().at("rows")) {
    auto const w = row.at("weights").get<numbers>();
    std::span<double const> const weights(w);
    text const raw(row.at("embeddings").get<numbers>(), static_cast<basin::index_t>(w.size()), row.at("dim"));
    theory::random_selection const drawn(weights, raw.seen());
    for (auto const& c : row.at("cases")) {
      basin::index_t const n = c.at("n");
      double const exact = c.at("exact");
      auto const e = drawn.of(n);
      CAPTURE(w.size(), n);
      CHECK(e.formula <= exact + written);
      CHECK(exact <= e.upper + written);
      CHECK(e.upper <= e.formula + e.excess + written);
      auto const found = theory::drawn_distance(theory::reading::a, weights, raw.seen(), n, 4000, 7);
      CHECK(std::fabs(found.mean - exact) <= 6 * found.error + written);   // 20 cases, each false once in 5e8
    }
  }
}

TEST_CASE("the two-sample statistic agrees with SciPy, its tail probability with Kolmogorov's distribution",
          "[unit][theory]") {
  for (auto const& s : fixture().at("samples")) {
    auto const a = s.at("a").get<numbers>(), b = s.at("b").get<numbers>();
    CAPTURE(a.size(), b.size());
    CHECK(std::fabs(theory::ks_statistic(a, b) - s.at("statistic").get<double>()) <= 1e-12);
    CHECK(theory::ks_statistic(b, a) == theory::ks_statistic(a, b));
    double const tail = theory::ks_probability(s.at("statistic"), static_cast<basin::index_t>(a.size()),
                                               static_cast<basin::index_t>(b.size()));
    CHECK(std::fabs(tail - s.at("tail").get<double>()) <= 1e-11);
  }
}

}  // namespace basin_test
