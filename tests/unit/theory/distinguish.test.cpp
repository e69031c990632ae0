// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers theory/distinguish.hpp, saturation.hpp and advice.hpp: golden values, edge cases, and invalid arguments.
#include "basin/theory/advice.hpp"
#include "basin/theory/row_limits.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

namespace basin_test {

namespace theory = basin::theory;
using numbers = std::vector<double>;
using set = std::vector<basin::index_t>;

TEST_CASE("the distinguishable ones of two selected tokens of five are those found by hand", "[unit][theory]") {
  text const five({1, 0, 0, 1, -1, 0, 0.6, 0.8, 0.8, -0.6}, 5, 2);
  numbers const w{0.558545234, 0.205477309, 0.083540839, 0.027808330, 0.124628288};
  std::span<double const> const weights(w);
  auto const found = theory::tell_apart(weights, five.seen(), set{0, 1});
  CHECK(found.count == 1);
  CHECK(std::fabs(found.radius - 0.537660671) <= 2e-9);
  theory::sphere const on{1, 0.632455532, 2};
  auto const xi = theory::spreads(std::span(w).first(2), on);
  CHECK(xi[0] == Approx(0.205477309).epsilon(1e-14));
  CHECK(xi[1] == Approx(0.558545234).epsilon(1e-14));
  auto const bounds = theory::bounds_of(std::span(w).first(2), found.radius, on);
  CHECK(std::fabs(bounds.lower - 0.289493742) <= 4e-9);
  CHECK(std::fabs(bounds.upper - 0.999890971) <= 1e-9);
  CHECK(bounds.lower_count == 0.5);
  CHECK(bounds.upper_tight <= bounds.upper_range);
}

TEST_CASE("a list of N gives the distinguishable tokens of each N alone", "[unit][theory]") {
  splitmix rng{41};
  text t(60, 8, 6, 0.4);
  t.onto_sphere();
  auto const w = random_weights(60, rng, 1.5);
  std::span<double const> const weights(w);
  set const counts{1, 2, 5, 16, 59, 60, 61};
  theory::sphere const on{1, theory::geometry_of(t.products()).least_distance, 8};
  std::vector<theory::row_told_apart> rows(counts.size());
  theory::row_tell_apart(weights, t.seen(), counts, on, std::span(rows));
  CHECK(rows[0].share == 1);                                     // one token is always nearest to itself
  for (std::size_t n = 0; n < 5; ++n) {
    auto const top = theory::strongest(weights, counts[n]);
    auto const alone = theory::tell_apart(weights, t.seen(), top);
    CAPTURE(counts[n]);
    CHECK(rows[n].share * static_cast<double>(counts[n]) == Approx(static_cast<double>(alone.count)));
    CHECK(rows[n].radius == Approx(alone.radius).epsilon(1e-9));
    CHECK(rows[n].bounds.lower_count >= rows[n].bounds.lower - 1e-12);
    CHECK(rows[n].share >= rows[n].bounds.lower_count);
  }
  for (std::size_t n : {5u, 6u}) CHECK(std::isnan(rows[n].share));  // no other token: r is undefined
  CHECK(std::isinf(theory::tell_apart(weights, t.seen(), theory::strongest(weights, 60)).radius));
  CHECK(theory::tell_apart(weights, t.seen(), theory::strongest(weights, 60)).count == 60);
}

TEST_CASE("tokens in the same place are equally far, whatever the rounding", "[unit][theory]") {
  text same({0.6, 0.8, 0.6, 0.8, 0.6, 0.8, 0.6, 0.8}, 4, 2);
  numbers const even(4, 0.25);
  for (basin::index_t n = 1; n <= 3; ++n) {
    auto const found = theory::tell_apart(std::span<double const>(even), same.seen(), theory::strongest(even, n));
    CAPTURE(n);
    CHECK(found.count == n);
  }
  splitmix rng{3};
  for (int draw = 0; draw < 200; ++draw) {                       // w_1 x_1 = w_2 x_2 up to rounding
    double const x = normal_number(rng), y = normal_number(rng), w = 0.5 + 0.25 * uniform_number(rng);
    text const scaled({x, y, 3 * x, 3 * y, y, -x}, 3, 2);
    numbers const weights{w, w / 3, 0.01};
    auto const found = theory::tell_apart(std::span<double const>(weights), scaled.seen(), set{0});
    std::vector<theory::row_told_apart> row(1);
    theory::row_tell_apart(std::span<double const>(weights), scaled.seen(), set{1}, {}, std::span(row));
    CAPTURE(draw);
    CHECK(found.count == 1);
    CHECK(row[0].share == 1);
  }
  numbers const nothing(4, 0.0);                                 // a normalizer with a threshold may give these
  CHECK(theory::tell_apart(std::span<double const>(nothing), same.seen(), set{0, 1}).count == 2);
}

TEST_CASE("a small weight beside a large one keeps its own spread", "[unit][theory]") {
  numbers const w{1.0, 1e-12, 3e-12};
  auto const xi = theory::spreads(std::span<double const>(w), {1, 0, 0});
  CHECK(xi[0] == Approx(4e-12).epsilon(1e-12));                  // a difference of sums would lose it
}

TEST_CASE("coverage by heads and the bounds of theorem 2 are right in edge cases", "[unit][theory]") {
  CHECK(theory::head_coverage(0.8, 3) == Approx(0.992).epsilon(1e-14));
  CHECK(theory::head_coverage(0.8, 0) == 0);
  CHECK(theory::head_coverage(1, 1) == 1);
  auto const one = theory::bounds_of(numbers{0.7}, 0.0, {});
  CHECK(one.lower == 1);
  CHECK(one.lower_count == 1);
  CHECK(one.upper == 1);
  CHECK(one.upper_range == 1);
  auto const point = theory::bounds_of(numbers{0.5, 0.5}, 0.0, {});
  CHECK(point.lower == -HUGE_VAL);
  CHECK(point.lower_count == 0);
  CHECK(theory::bounds_of(numbers{}, 1.0, {}).upper_tight == 1);
  // two keys: the other one has the exact length M w, and both tail bounds use it: mean 0.5, range 0.5, r 0.25
  auto const two = theory::bounds_of(numbers{0.5, 0.5}, 0.25, {});
  CHECK(two.upper == Approx(std::exp(-0.03125)).epsilon(1e-14));
  CHECK(two.upper_range == Approx(std::exp(-0.5)).epsilon(1e-14));
  CHECK_THROWS_AS(theory::bounds_of(numbers{1}, -1, {}), basin::value_error);
  CHECK_THROWS_AS(theory::bounds_of(numbers{1}, nan, {}), basin::value_error);
  CHECK_THROWS_AS(theory::bounds_of(numbers{1}, 1, {0, 0, 0}), basin::value_error);
  CHECK_THROWS_AS(theory::bounds_of(numbers{1}, 1, {1, -1, 0}), basin::value_error);
  CHECK_THROWS_AS(theory::bounds_of(numbers{1}, 1, {1, 0, -1}), basin::value_error);
  CHECK_THROWS_AS(theory::head_coverage(1.1, 1), basin::value_error);
  CHECK_THROWS_AS(theory::head_coverage(0.5, -1), basin::value_error);
}

TEST_CASE("entropy, its growth and the verdict on a head are those worked out by hand", "[unit][theory]") {
  CHECK(theory::spread_of(numbers{0.558545234, 0.205477309, 0.083540839, 0.027808330, 0.124628288}).nats ==
        Approx(1.2169919955).epsilon(1e-8));
  CHECK(theory::spread_of(numbers{0.558545234, 0.205477309, 0.083540839, 0.027808330, 0.124628288}).share ==
        Approx(0.7561596419).epsilon(1e-8));
  CHECK(theory::spread_of(numbers{1, 0, 0}).nats == 0);
  CHECK(theory::spread_of(numbers{1}).share == 0);
  CHECK(theory::spread_of(numbers{}).nats == 0);
  numbers const lengths{16, 64, 256};
  CHECK(theory::entropy_growth(lengths, numbers{std::log(16.0), std::log(64.0), std::log(256.0)}).slope == Approx(1));
  CHECK(theory::entropy_growth(lengths, numbers{1, 1, 1}).slope == Approx(0).margin(1e-14));
  CHECK_THROWS_AS(theory::entropy_growth(numbers{0, 1}, numbers{1, 1}), basin::value_error);
  theory::saturation_rule const rule{};
  CHECK(rule.judge(0.9) == theory::capacity::free);
  CHECK(rule.judge(0.75) == theory::capacity::saturated);
  CHECK(rule.judge(0.9, 0.9) == theory::capacity::saturated);
  CHECK(rule.judge(nan, nan) == theory::capacity::free);
  CHECK_THROWS_AS((theory::saturation_rule{1.5, 0}.validate()), basin::value_error);
  CHECK_THROWS_AS((theory::saturation_rule{0.5, nan}.validate()), basin::value_error);
}

TEST_CASE("advice compares with a number, and gives its reason and source", "[unit][theory]") {
  CHECK(theory::on_active_keys(1000, 60).what == theory::verdict::fine);
  CHECK(theory::on_active_keys(1000, 61).what == theory::verdict::change);
  CHECK(theory::on_active_keys(4, 1).what == theory::verdict::fine);                         // there is no smaller set
  CHECK(theory::on_active_keys(4, 1).limit == 1);
  CHECK(theory::on_length(1024, 3.0, 1.0).what == theory::verdict::change);                  // log(1023) / 2 = 3.465
  CHECK(theory::on_length(1024, 3.5, 1.0).what == theory::verdict::fine);
  CHECK(theory::on_length(1024, 3.5, 2.0).what == theory::verdict::change);
  CHECK(theory::on_temperature(0.1).what == theory::verdict::change);
  CHECK(theory::on_temperature(0.2).what == theory::verdict::fine);
  CHECK(theory::on_saturation(0.7, nan).what == theory::verdict::change);
  CHECK(theory::on_saturation(0.95, 0.1).what == theory::verdict::fine);
  for (auto const& a : {theory::on_active_keys(1000, 61), theory::on_length(1024, 3.0, 1.0),
                        theory::on_temperature(0.05), theory::on_saturation(0.7, 0.2)}) {
    CHECK_THAT(a.source, ContainsSubstring("2508.17821"));
    CHECK(a.reason.size() > 40);
  }
  CHECK_THAT(theory::on_temperature(0.05).reason, ContainsSubstring("10"));                  // 1 / (2 0.05)
  CHECK_THROWS_AS(theory::on_active_keys(4, 5), basin::value_error);
  CHECK_THROWS_AS(theory::on_active_keys(4, 0), basin::value_error);
  CHECK_THROWS_AS(theory::on_length(4, -1, 1), basin::value_error);
  CHECK_THROWS_AS(theory::on_length(4, 1, 0), basin::value_error);
  CHECK_THROWS_AS(theory::on_temperature(0), basin::value_error);
}

}  // namespace basin_test
