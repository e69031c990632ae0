// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers sinks/rule.hpp
#include <limits>
#include <numeric>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/sinks/rule.hpp"
#include "support/catch.hpp"

namespace basin {

using sinks::scale;

namespace {

std::vector<int> sinks_of(sinks::epsilon_rule rule, std::vector<double> const& received, index_t queries) {
  std::vector<std::uint8_t> marks(received.size(), 9);
  index_t const found = sinks::mark_sinks(rule, received, queries, marks);
  std::vector<int> positions;
  for (std::size_t j = 0; j < marks.size(); ++j)
    if (marks[j]) positions.push_back(static_cast<int>(j));
  CHECK(static_cast<index_t>(positions.size()) == found);
  return positions;
}

}  // namespace

TEST_CASE("the worked example of the pruning paper has sinks at its second and fourth key", "[unit][sinks]") {
  // m minus the mean of the others is [-9, 7.25, -4, 12.25, -6.5]; -4 <= epsilon < 7.25 finds keys 1 and 3.
  std::vector<double> const m{5, 18, 9, 22, 7};
  for (double const epsilon : {-4.0, 0.0, 3.0, 7.2499})
    CHECK(sinks_of({scale::column_sum, epsilon}, m, 61) == std::vector<int>{1, 3});
  CHECK(sinks_of({scale::column_sum, 7.25}, m, 61) == std::vector<int>{3});  // the rule is strict
  CHECK(sinks_of({scale::column_sum, 12.25}, m, 61).empty());
  CHECK(sinks_of({scale::column_sum, -4.0001}, m, 61) == std::vector<int>{1, 2, 3});
}

TEST_CASE("a sink needs a column sum above 1 + 3 (S - 1) / S, or a percentage above 100 / S + 3 (S - 1) / S",
          "[unit][sinks]") {
  // If one key receives c of a total of S, each of the others receives (S - c) / (S - 1).
  auto const S = GENERATE(2, 10, 64, 100, 512);
  auto const others = [&](double c) {
    std::vector<double> received(static_cast<std::size_t>(S), (S - c) / (S - 1.0));
    received[0] = c;
    return received;
  };
  double const sum = 1 + 3 * (S - 1.0) / S, percent = (100.0 / S + 3 * (S - 1.0) / S) * S / 100;
  CAPTURE(S, sum, percent);
  for (auto const& [unit, threshold] : {std::pair{scale::column_sum, sum}, std::pair{scale::percent, percent}}) {
    if (threshold >= S) continue;
    CHECK(sinks_of({unit, 3}, others(threshold * (1 + 1e-9)), S) == std::vector<int>{0});
    CHECK(sinks_of({unit, 3}, others(threshold * (1 - 1e-9)), S).empty());
  }
}

TEST_CASE("both readings of the rule agree at a length of 100, and the printed one finds no sink", "[unit][sinks]") {
  philox rng(7);
  for (int draw = 0; draw < 50; ++draw) {
    std::vector<double> received(100);
    for (double& c : received) c = std::pow(uniform(rng), 6);
    double const total = std::accumulate(received.begin(), received.end(), 0.0);
    for (double& c : received) c *= 100 / total;
    CHECK(sinks_of({scale::column_sum, 3}, received, 100) == sinks_of({scale::percent, 3}, received, 100));
    CHECK(sinks_of({scale::percent, 3}, received, 100) ==
          sinks_of({scale::mean, sinks::usual_epsilon(scale::mean)}, received, 100));
    CHECK(sinks_of({scale::mean, 3}, received, 100).empty());
  }
}

TEST_CASE("a row has fewer sinks by column sum than S / (1 + 3 (S - 1) / S)", "[property][sinks]") {
  // At S = 64 the limit is 16: 15 keys with 4 each are sinks, 17 keys with 64 / 17 each are not.
  std::vector<double> few(64, 4.0 / 49), many(64, 0.0);
  std::fill_n(few.begin(), 15, 4.0);
  std::fill_n(many.begin(), 17, 64.0 / 17);
  CHECK(sinks_of({}, few, 64).size() == 15);
  CHECK(sinks_of({}, many, 64).empty());
}

TEST_CASE("equal keys and a single key are not sinks", "[unit][sinks]") {
  CHECK(sinks_of({scale::column_sum, 0}, std::vector<double>(64, 1.0), 64).empty());
  CHECK(sinks_of({scale::column_sum, -100}, {64.0}, 64).empty());
  CHECK(sinks_of({}, {}, 1).empty());
}

TEST_CASE("the rule refuses an epsilon that is not finite, and rows of the wrong length", "[unit][sinks]") {
  std::vector<double> const received(4, 1.0);
  std::vector<std::uint8_t> marks(4, 7), short_marks(3, 7);
  CHECK_THROWS_AS(sinks::mark_sinks({scale::mean, std::numeric_limits<double>::quiet_NaN()}, received, 4, marks),
                  value_error);
  CHECK_THROWS_AS(sinks::mark_sinks({scale::mean, std::numeric_limits<double>::infinity()}, received, 4, marks),
                  value_error);
  CHECK_THROWS_AS(sinks::mark_sinks({}, received, 4, short_marks), shape_error);
  CHECK_THROWS_AS(sinks::mark_sinks({}, received, 0, marks), shape_error);
  CHECK(marks == std::vector<std::uint8_t>(4, 7));
}

TEST_CASE("the sink rate divides by the number of queries to which the key is visible", "[unit][sinks]") {
  // Two heads, four keys. Key 2 is visible to queries 2 and 3 under a causal mask (alpha = c / 2), else to all (c / 4).
  std::vector<double> const received{2.0, 0.5, 1.0, 0.5, 1.0, 1.0, 0.5, 1.5};
  auto const rows = contiguous(received.data(), 2, 4);
  CHECK(sinks::sink_rate(rows, 2, sinks::sight::causal) == 0.5);         // 0.5 and 0.25
  CHECK(sinks::sink_rate(rows, 2, sinks::sight::bidirectional) == 0.0);  // 0.25 and 0.125
  CHECK(sinks::sink_rate(rows, 0, sinks::sight::causal, 0.2) == 1.0);    // 0.5 and 0.25
  CHECK_THROWS_AS(sinks::sink_rate(rows, 4, sinks::sight::causal), shape_error);
  CHECK_THROWS_AS(sinks::sink_rate(rows, -1, sinks::sight::causal), shape_error);
}

}  // namespace basin
