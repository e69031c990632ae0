// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers concepts/row_stages.hpp (fit_row, weigh, log_of_term) and every file of normalize/: the laws of one row.
#include <algorithm>
#include <numeric>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"
#include "support/tolerance.hpp"

namespace basin_test {

namespace {

double magnitude_of(std::vector<double> const& scores) {
  double most = 0;
  for (double const s : scores) most = std::max(most, std::fabs(s));
  return most;
}

/// Calls f(case, scores) for all normalizers and rows of several kinds and lengths.
template <class F>
void for_each_row(F&& f) {
  for_each_case(all_normalizers(), [&](auto const& c) {
    for (auto const kind : {row_kind::smooth, row_kind::tied, row_kind::far_apart})
      for (std::size_t const n : {1u, 2u, 7u, 64u, 257u}) {
        auto const scores = row_of_scores(kind, n, n);
        CAPTURE(c.name, name_of(kind), n);
        f(c, scores);
      }
  });
}

}  // namespace

namespace {

/// Forwards every hook except aim().
template <class Normalizer>
struct plainly_wrapped {
  Normalizer normalize;
  template <class T>
  using row = typename Normalizer::template row<T>;
  template <class T>
  void raise(row<T>& r, T score) const { normalize.raise(r, score); }
  template <class T>
  void absorb(row<T>& r, T score) const { normalize.absorb(r, score); }
  template <class T>
  auto next(row<T>& r) const { return normalize.next(r); }
  template <class T>
  T term(row<T> const& r, T score) const { return normalize.term(r, score); }
  template <class T>
  void add(row<T>& r, T score, T term) const { normalize.add(r, score, term); }
  template <class T>
  T factor(row<T> const& r) const { return normalize.factor(r); }
  template <class T>
  void merge(row<T>& into, row<T> const& from) const { normalize.merge(into, from); }
};

}  // namespace

TEST_CASE("a decorator without aim() changes the number of passes and no weight", "[property][normalizer]") {
  for (auto const kind : {row_kind::smooth, row_kind::tied, row_kind::far_apart})
    for (std::size_t const n : {1u, 7u, 64u, 257u}) {
      auto const scores = in_type<float>(row_of_scores(kind, n, n));
      CAPTURE(name_of(kind), n);
      CHECK(weights_of(plainly_wrapped<basin::top_k>{basin::top_k{5}}, scores) == weights_of(basin::top_k{5}, scores));
      CHECK(weights_of(plainly_wrapped<basin::top_p>{basin::top_p{0.7}}, scores) ==
            weights_of(basin::top_p{0.7}, scores));
    }
}

TEMPLATE_TEST_CASE("weights are never negative and sum to the declared mass", "[property][normalizer]", float, double) {
  for_each_row([](auto const& c, auto const& scores) {
    auto const found = weights_of(c.normalize, in_type<TestType>(scores));
    CHECK(std::isfinite(sum_of(found)));
    if (c.signs == weights::positive) CHECK(*std::min_element(found.begin(), found.end()) >= 0);
    if (c.sums_to == mass::one) CHECK(std::fabs(sum_of(found) - 1) <= mass_tolerance<TestType>(scores.size()));
    if (c.sums_to == mass::less) CHECK(sum_of(found) < 1 + mass_tolerance<TestType>(scores.size()));
  });
}

TEMPLATE_TEST_CASE("permuting the keys permutes the weights", "[property][normalizer]", float, double) {
  for_each_row([](auto const& c, auto const& scores) {
    auto const straight = weights_of(c.normalize, in_type<TestType>(scores));
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    splitmix rng{scores.size()};
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng() % i]);
    std::vector<double> moved;
    std::vector<TestType> expected;
    for (std::size_t const j : order) {
      moved.push_back(scores[j]);
      expected.push_back(straight[j]);
    }
    auto const weights = weights_of(c.normalize, in_type<TestType>(moved));
    // only the order of sums differs
    CHECK(distance(weights, expected) <= size_of(expected) * weight_tolerance<TestType>(scores.size(), 0));
    for (std::size_t j = 0; j < order.size(); ++j) CHECK((weights[j] > 0) == (expected[j] > 0));
  });
}

TEMPLATE_TEST_CASE("equal scores get equal weights", "[property][normalizer]", float, double) {
  for_each_row([](auto const& c, auto const& scores) {
    auto const weights = weights_of(c.normalize, in_type<TestType>(scores));
    for (std::size_t j = 1; j < scores.size(); ++j)
      if (scores[j] == scores[0]) REQUIRE(weights[j] == weights[0]);
  });
}

TEMPLATE_TEST_CASE("adding a constant to all scores changes no weight of a shift-invariant normalizer",
                   "[property][normalizer]", float, double) {
  for_each_row([](auto const& c, auto scores) {
    if (c.shifted == shift::matters) return;
    auto const before = weights_of(c.normalize, in_type<TestType>(scores));
    for (double const constant : {-8.0, 4.0, 32.0}) {
      auto shifted = scores;
      for (double& s : shifted) s += constant;
      auto const after = weights_of(c.normalize, in_type<TestType>(shifted));
      double const slope = 4 * std::log(static_cast<double>(scores.size()) + 2);             // 1/T <= 4, c <= log n
      CHECK(distance(before, after) <= weight_tolerance<TestType>(scores.size(), magnitude_of(shifted) + 40, slope));
    }
  });
}

TEST_CASE("float rows have the weights of double rows within the tolerance", "[property][normalizer]") {
  for_each_row([](auto const& c, auto const& scores) {
    auto const exact = weights_of(c.normalize, scores);
    auto const weights = weights_of(c.normalize, in_type<float>(scores));
    double const slope = 4 * std::log(static_cast<double>(scores.size()) + 2);
    CHECK(distance(weights, exact) <=
          size_of(exact) * weight_tolerance<float>(scores.size(), magnitude_of(scores), slope));
  });
}

TEMPLATE_TEST_CASE("an empty row is finite and gives weight 0 to a score of -inf", "[property][normalizer]", float,
                   double) {
  auto const none = basin::math::minus_inf<TestType>();
  for_each_case(all_normalizers(), [&](auto const& c) {
    CAPTURE(c.name);
    if constexpr (!basin::fits_rows<decltype(c.normalize)>) {  // fit() may assume at least one score
      auto const row = basin::fit_row(c.normalize, std::span<TestType const>{}, context_of<TestType>(0));
      CHECK(basin::weigh(c.normalize, row, none) == 0);
      for (std::size_t const n : {1u, 3u}) {
        auto const weights = weights_of(c.normalize, std::vector<TestType>(n, none));
        CHECK(weights == std::vector<TestType>(n, TestType(0)));
      }
    }
  });
}

TEMPLATE_TEST_CASE("one key gets the whole mass", "[property][normalizer]", float, double) {
  for_each_case(all_normalizers(), [&](auto const& c) {
    for (double const s : {0.0, -3.5, 80.0, -1e30, 1e30}) {
      CAPTURE(c.name, s);
      // beyond 1e18, s^2 overflows float
      if (c.sums_to != mass::one || (c.shifted == shift::matters && std::fabs(s) > 1e18)) continue;
      auto const weight = weights_of(c.normalize, std::vector<TestType>{TestType(s)}).front();
      CHECK(std::fabs(weight - 1) <= mass_tolerance<TestType>(1));
    }
  });
}

TEMPLATE_TEST_CASE("equal scores share the mass equally", "[property][normalizer]", float, double) {
  for_each_case(all_normalizers(), [&](auto const& c) {
    for (double const s : {0.0, -3.5, 1e30, -1e30}) {
      CAPTURE(c.name, s);
      if (c.sums_to != mass::one || (c.shifted == shift::matters && std::fabs(s) > 1e18)) continue;
      auto const weights = weights_of(c.normalize, std::vector<TestType>(37, TestType(s)));
      CHECK(distance(weights, std::vector<double>(37, 1.0 / 37)) <= mass_tolerance<TestType>(37));
    }
  });
}

TEMPLATE_TEST_CASE("a score of -inf is the same as a missing key", "[property][normalizer]", float, double) {
  for_each_row([](auto const& c, auto const& scores) {
    if (scores.size() < 2) return;
    auto const at = context_of<TestType>(scores.size());  // the same number of visible keys for both
    auto with = in_type<TestType>(scores), without = with;
    with.insert(with.begin() + 1, basin::math::minus_inf<TestType>());
    with.push_back(basin::math::minus_inf<TestType>());
    with.insert(with.begin(), basin::math::minus_inf<TestType>());
    auto weights = weights_of(c.normalize, with, at);
    CHECK(weights.front() == 0);
    CHECK(weights[2] == 0);
    CHECK(weights.back() == 0);
    weights.pop_back();
    weights.erase(weights.begin() + 2);
    weights.erase(weights.begin());
    CHECK(weights == weights_of(c.normalize, without, at));
  });
}

TEMPLATE_TEST_CASE("huge scores cause no overflow", "[property][normalizer]", float, double) {
  auto const huge = [](auto const& c) {
    CAPTURE(c.name);
    using row = std::vector<TestType>;
    CHECK(weights_of(c.normalize, row{TestType(1e30), TestType(-1e30), TestType(0)}) == row{1, 0, 0});
    CHECK(weights_of(c.normalize, row{TestType(0), TestType(-1e30)}) == row{1, 0});
    CHECK(weights_of(c.normalize, row{TestType(-1e30), TestType(-2e30)}) == row{1, 0});
    auto const apart = weights_of(c.normalize, row{TestType(0), TestType(-2000), TestType(-700), TestType(-100000)});
    CHECK(std::fabs(apart[0] - 1) <= mass_tolerance<TestType>(4));
    CHECK(apart[3] == 0);
  };
  for_each_case(softmax_family(), huge);
  for_each_case(threshold_family(), huge);
}

TEMPLATE_TEST_CASE("a search ends, whatever the scores", "[property][normalizer]", float, double) {
  using limits = std::numeric_limits<TestType>;
  TestType const none = limits::quiet_NaN(), most = limits::infinity(), least = limits::denorm_min();
  std::vector<std::vector<TestType>> const rows{
      {none},
      {none, none, 1},
      {1, none, 2, 3, 4, 5},
      {most},
      {most, most, 0},
      {most, most, most, most, most, most},
      {-most, most, -most, most},
      {least, 0, -least, 2 * least, 3 * least, 4 * least},
      {limits::max(), limits::lowest(), 0, 1},
      {limits::max(), limits::max(), limits::max(), 1},
      {limits::lowest(), limits::lowest(), limits::lowest()},
      {1, 1 + limits::epsilon(), 1 - limits::epsilon() / 2, 1, 1 + 2 * limits::epsilon()}};
  for_each_case(all_normalizers(), [&](auto const& c) {
    if constexpr (basin::sweeps_rows<decltype(c.normalize)>)
      for (auto const& scores : rows) {
        CAPTURE(c.name, scores);
        CHECK(sweeps_of(c.normalize, scores) < 100);
      }
  });
}

TEST_CASE("a search takes about as many passes as documented", "[property][normalizer]") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    CHECK(sweeps_of(basin::top_k{16}, row_of_scores(row_kind::smooth, seed, 4096)) <= 6);
    CHECK(sweeps_of(basin::top_k{4097}, row_of_scores(row_kind::smooth, seed, 4096)) == 1);  // all are kept: no search
    for (auto const kind : {row_kind::smooth, row_kind::tied}) {
      CHECK(sweeps_of(basin::sparsemax{}, row_of_scores(kind, seed, 4096)) <= 5);
      CHECK(sweeps_of(basin::entmax15{}, row_of_scores(kind, seed, 4096)) <= 5);
      for (double const alpha : {1.001, 1.25, 1.75, 2.0})
        CHECK(sweeps_of(basin::entmax{{alpha}}, row_of_scores(kind, seed, 4096)) <= 7);
      CHECK(sweeps_of(basin::top_p{}, row_of_scores(kind, seed, 4096)) <= 10);
    }
    CHECK(sweeps_of(basin::top_p{1}, row_of_scores(row_kind::smooth, seed, 4096)) == 1);
  }
}

TEST_CASE("the logarithm of an unnormalised weight agrees with the weight", "[property][normalizer]") {
  for_each_row([](auto const& c, auto const& scores) {
    if (c.signs == weights::signed_too) return;                  // no logarithm
    auto const row = basin::fit_row(c.normalize, std::span<double const>(scores), context_of<double>(scores.size()));
    for (double const s : scores) {
      double term = basin::weigh(c.normalize, row, s);
      if constexpr (!basin::weighs_scores<decltype(c.normalize)>) term = c.normalize.term(row, s);
      double const log_term = basin::log_of_term(c.normalize, row, s, term);
      double const magnitude = 4 * std::log(static_cast<double>(scores.size()) + 2) * magnitude_of(scores) + 1;
      if (term > 1e-290)
        CHECK(std::fabs(log_term - std::log(term)) <= weight_tolerance<double>(scores.size(), magnitude));
      else CHECK((term > 0 || log_term < -700));  // rounded to 0, or not kept
    }
  });
}

TEMPLATE_TEST_CASE("exponent(row) gives the unnormalised weights, and the largest score alone sets a row's maximum",
                   "[property][normalizer]", float, double) {
  for_each_case(all_normalizers(), [](auto const& c) {
    using N = std::remove_cvref_t<decltype(c.normalize)>;
    if constexpr (basin::exponential_normalizer<N>)
      for (std::size_t const n : {1u, 7u, 64u}) {
        CAPTURE(c.name, n);
        auto const scores = in_type<TestType>(row_of_scores(row_kind::smooth, n, n));
        auto const row = basin::fit_row(c.normalize, std::span<TestType const>(scores),
                                        basin::row_context<TestType>{0, 0, TestType(n - 1), TestType(n)});
        auto alone = basin::start_row(c.normalize, basin::row_context<TestType>{0, 0, TestType(n - 1), TestType(n)});
        auto const line = c.normalize.exponent(row);
        TestType steepest = scores[0];
        for (TestType const s : scores)
          if (line.slope * s > line.slope * steepest) steepest = s;
        c.normalize.raise(alone, steepest);
        CHECK(c.normalize.exponent(alone).slope == line.slope);
        auto one_by_one = alone, at_once = alone;
        TestType total(0);
        for (TestType const s : scores) {
          TestType const term = c.normalize.term(alone, s);
          c.normalize.add(one_by_one, s, term);
          total += term;
        }
        c.normalize.add(at_once, TestType(0), total);
        CHECK(c.normalize.factor(one_by_one) == c.normalize.factor(at_once));
        for (TestType const s : scores) {
          double const slope = static_cast<double>(line.slope), score = static_cast<double>(s);
          double const term = static_cast<double>(c.normalize.term(row, s));
          double const exponent = slope * score - static_cast<double>(line.offset);
          double const largest = magnitude_of({static_cast<double>(steepest), score});
          CHECK(std::fabs(std::exp2(exponent) - term) <= (4 + 4 * std::fabs(slope) * largest) * eps_of<TestType>);
          CHECK(c.normalize.term(alone, s) == c.normalize.term(row, s));
        }
      }
  });
}

}  // namespace basin_test
