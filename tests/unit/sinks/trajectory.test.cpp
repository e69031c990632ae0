// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers sinks/trajectory.hpp. The expected figures are worked out by hand beside each case.
#include <cmath>
#include <vector>

#include "basin/sinks/trajectory.hpp"
#include "support/catch.hpp"

namespace basin {

namespace {

// Received attention of ten keys from ten queries: a sink receives more than 1 + 3 * 9 / 10 = 3.7 of the 10.
std::vector<double> step(std::vector<std::pair<int, double>> const& strong) {
  double left = 10;
  for (auto const& [key, c] : strong) left -= c;
  std::vector<double> received(10, left / (10.0 - static_cast<double>(strong.size())));
  for (auto const& [key, c] : strong) received[static_cast<std::size_t>(key)] = c;
  return received;
}

}  // namespace

TEST_CASE("a sink that stays has persistence and Jaccard 1 and does not move", "[unit][sinks]") {
  sinks::trajectory head(10);
  for (int t = 0; t < 5; ++t) head.add_step(step({{2, 6.0}}), 10);
  auto const d = head.summary();
  CHECK(d.non_sink_share == Approx(0.9));
  CHECK(d.persistence == 1.0);
  CHECK(d.jaccard == 1.0);
  CHECK(d.temporal_variance == 0.0);
  CHECK(d.strongest_moves == 0.0);
  // one key with 6, nine with 4/9, mean 1
  CHECK(d.spatial_variance == Approx((25.0 + 9 * std::pow(1 - 4.0 / 9, 2)) / 10));
  CHECK(head.occupancy()[2] == 1.0);
  CHECK(head.occupancy()[3] == 0.0);
}

TEST_CASE("a sink that moves every step has persistence 0 and the variance of its path", "[unit][sinks]") {
  sinks::trajectory head(10);
  for (int const key : {1, 4, 7}) head.add_step(step({{key, 6.0}}), 10);
  auto const d = head.summary();
  CHECK(d.persistence == 0.0);
  CHECK(d.jaccard == 0.0);
  CHECK(d.temporal_variance == Approx(6.0));  // positions 1, 4, 7 around 4
  CHECK(d.strongest_moves == 1.0);
  for (int const key : {1, 4, 7}) CHECK(head.occupancy()[static_cast<std::size_t>(key)] == Approx(1.0 / 3));
}

TEST_CASE("sets of sinks that overlap in part give the figures worked out by hand", "[unit][sinks]") {
  sinks::trajectory head(10);
  head.add_step(step({{0, 5.0}, {5, 4.0}}), 10);  // sinks 0 and 5: centroid (0 * 5 + 5 * 4) / 9
  head.add_step(step({{5, 6.0}}), 10);            // sink 5
  head.add_step(step({{5, 2.0}}), 10);            // no sink: 2 < 3.7
  head.add_step(step({}), 10);                    // no sink
  auto const steps = head.steps();
  CHECK(steps[0].sinks == 2);
  CHECK(steps[0].centroid == Approx(20.0 / 9));
  CHECK(std::isnan(steps[0].jaccard_with_last));
  CHECK(steps[1].jaccard_with_last == 0.5);
  CHECK(steps[2].jaccard_with_last == 0.0);
  CHECK(std::isnan(steps[3].jaccard_with_last));  // no sinks in either step
  CHECK(std::isnan(steps[3].centroid));
  CHECK(steps[0].strongest == 0);
  CHECK(steps[2].strongest == 5);
  CHECK(steps[3].strongest == 0);                 // the first of equals
  CHECK(steps[1].strongest_share == Approx(0.6));
  auto const d = head.summary();
  CHECK(d.persistence == Approx(1.0 / 3));        // one of three sinks persists
  CHECK(d.jaccard == Approx(0.25));
  CHECK(d.temporal_variance == Approx(std::pow((5 - 20.0 / 9) / 2, 2)));
  CHECK(d.non_sink_share == Approx((0.8 + 0.9 + 1 + 1) / 4));
  CHECK(d.strongest_moves == Approx(2.0 / 3));
}

TEST_CASE("keys that a growing cache does not hold yet are not sinks", "[unit][sinks]") {
  sinks::trajectory head(10);
  std::vector<double> received{5.0, 0.2, 0.2, 0.2, 0.2, 0.2};
  head.add_step(received, 6);
  received.push_back(1.0);
  head.add_step(received, 7);
  CHECK(head.steps()[0].keys == 6);
  CHECK(head.summary().persistence == 1.0);
  CHECK(head.summary().non_sink_share == Approx((5.0 / 6 + 6.0 / 7) / 2));
  CHECK(head.occupancy().size() == 10);
}

TEST_CASE("figures over no cases are NaN, not zero", "[unit][sinks]") {
  sinks::trajectory head(4);
  CHECK(std::isnan(head.summary().non_sink_share));
  CHECK(head.occupancy() == std::vector<double>(4, 0.0));
  head.add_step(std::vector<double>(4, 1.0), 4);
  CHECK(head.summary().non_sink_share == 1.0);
  CHECK(std::isnan(head.summary().persistence));
  CHECK(std::isnan(head.summary().jaccard));
  CHECK(std::isnan(head.summary().temporal_variance));
  CHECK(std::isnan(head.summary().strongest_moves));
}

TEST_CASE("a trajectory refuses steps of the wrong size, and keeps its earlier steps", "[unit][sinks]") {
  CHECK_THROWS_AS(sinks::trajectory(0), shape_error);
  CHECK_THROWS_AS(sinks::trajectory(4, {sinks::scale::mean, NAN}), value_error);
  sinks::trajectory head(4);
  CHECK_THROWS_AS(head.add_step(std::vector<double>(5, 1.0), 5), shape_error);
  CHECK_THROWS_AS(head.add_step(std::vector<double>{}, 5), shape_error);
  CHECK_THROWS_AS(head.add_step(std::vector<double>(4, 1.0), 0), shape_error);
  CHECK(head.steps().empty());
}

}  // namespace basin
