// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers log_sum_exp() and term_sum() of every normalizer that has them: w_j = exp(c s_j - L) = factor term_j.
#include <algorithm>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"
#include "support/tolerance.hpp"

namespace basin_test {

TEST_CASE("the weight of a score of 0 is exp(-log_sum_exp), whatever factor multiplies the scores",
          "[property][normalizer]") {
  int known = 0;
  for_each_case(all_normalizers(), [&](auto const& c) {
    if constexpr (basin::knows_log_sum<decltype(c.normalize)>) {
      ++known;
      for (auto const kind : {row_kind::smooth, row_kind::tied, row_kind::far_apart})
        for (std::uint64_t seed = 0; seed < 8; ++seed) {
          auto scores = row_of_scores(kind, seed / 2, 1 + static_cast<std::size_t>(seed / 2) * 9);
          double const zero = seed % 2 == 0 ? *std::max_element(scores.begin(), scores.end()) : scores[0];
          for (double& s : scores) s -= zero;                    // the largest score becomes 0, or the first
          auto const row =
              basin::fit_row(c.normalize, std::span<double const>(scores), context_of<double>(scores.size()));
          double const weight = basin::weigh(c.normalize, row, 0.0),
                       size = *std::max_element(scores.begin(), scores.end());
          if (weight < 1e-290) continue;                         // not kept, or nearly 0
          INFO(c.name << ", " << name_of(kind) << ", seed " << seed);
          CHECK(std::fabs(c.normalize.log_sum_exp(row) + std::log(weight)) <=
                weight_tolerance<double>(scores.size(), 1 + size, 8));
        }
    }
  });
  CHECK(known >= 8);
}

TEST_CASE("term_sum() is the sum of the unnormalised weights, and the largest of them is 1", "[property][normalizer]") {
  int known = 0;
  for_each_case(all_normalizers(), [&](auto const& c) {
    if constexpr (basin::knows_term_sum<decltype(c.normalize)>) {
      ++known;
      for (auto const kind : {row_kind::smooth, row_kind::tied, row_kind::far_apart})
        for (std::size_t const n : {1u, 2u, 10u, 100u}) {
          auto const scores = row_of_scores(kind, n, n);
          auto const row = basin::fit_row(c.normalize, std::span<double const>(scores), context_of<double>(n));
          double sum = 0, largest = 0;
          for (double const s : scores)
            sum += c.normalize.term(row, s), largest = std::max(largest, c.normalize.term(row, s));
          INFO(c.name << ", " << name_of(kind) << ", " << n << " keys");
          CHECK(largest == 1);
          CHECK(std::fabs(c.normalize.term_sum(row) - sum) <= 1e-13 * sum);
          CHECK(c.normalize.term_sum(basin::fit_row(c.normalize, std::span<double const>(), context_of<double>(0))) ==
                0);
        }
    }
  });
  CHECK(known >= 6);
}

TEST_CASE("log_sum_exp() of an empty row is the log of the divisor without keys, which may be -inf",
          "[unit][normalizer]") {
  auto const of_nothing = [](auto const& n) {
    return n.log_sum_exp(basin::fit_row(n, std::span<double const>(), context_of<double>(0)));
  };
  CHECK(of_nothing(basin::softmax{0.5}) == -inf);
  CHECK(of_nothing(basin::top_k{3}) == -inf);
  CHECK(of_nothing(basin::top_p{0.5}) == -inf);
  CHECK(of_nothing(basin::adaptive_temperature{}) == -inf);
  CHECK(of_nothing(basin::length_scaled<basin::softmax>{}) == -inf);
  CHECK(of_nothing(basin::softmax_n{3}) == std::log(3.0));
  CHECK(of_nothing(basin::sink_logit{{-1.5}}) == -1.5);
  CHECK(of_nothing(basin::sink_logit{{-inf}}) == -inf);
}

}  // namespace basin_test
