// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers concepts/row_stages.hpp and every file of normalize/: rows in parts. A row may be split anywhere. Each part
// goes through a stage by itself, and merge() joins the parts.
#include <algorithm>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"
#include "support/tolerance.hpp"

namespace basin_test {

namespace {

template <class T>
using parts_of_row = std::vector<std::span<T const>>;

/// The order in which parts are merged: from the left, from the right, or from the left between two empty rows.
enum class meeting { from_left, from_right, with_empty };

template <class N, class Row>
Row merged(N const& n, std::vector<Row> rows, Row const& start, meeting how) {
  if (how == meeting::from_right) {
    for (std::size_t i = rows.size() - 1; i > 0; --i) n.merge(rows[i - 1], rows[i]);
    return rows[0];
  }
  Row whole = how == meeting::with_empty ? start : rows[0];
  for (std::size_t i = how == meeting::with_empty ? 0 : 1; i < rows.size(); ++i) n.merge(whole, rows[i]);
  if (how == meeting::with_empty) n.merge(whole, start);
  return whole;
}

/// One pass: every part starts from `start` and reads its own scores; then all parts are merged.
template <class N, class Row, class T, class Step>
Row one_pass(N const& n, Row const& start, parts_of_row<T> const& parts, meeting how, Step const& step) {
  std::vector<Row> rows(parts.size(), start);
  for (std::size_t i = 0; i < parts.size(); ++i)
    for (T const s : parts[i]) step(rows[i], s);
  return merged(n, rows, start, how);
}

/// The row after all stages of concepts/row_stages.hpp, each in parts.
template <class N, class T>
basin::row_of<N, T> row_in_parts(N const& n, std::vector<T> const& scores, parts_of_row<T> const& parts, meeting how) {
  auto row = basin::start_row(n, context_of<T>(scores.size()));
  auto const pass = [&](auto const& step) { row = one_pass(n, row, parts, how, step); };
  basin::measure_scores(n, pass);
  basin::search_threshold(n, row, pass);
  basin::sum_terms(n, pass);
  return row;
}

template <class N, class T>
std::vector<T> weights_in_parts(N const& n, std::vector<T> const& scores, parts_of_row<T> const& parts, meeting how) {
  auto const row = row_in_parts(n, scores, parts, how);
  std::vector<T> weights;
  for (T const s : scores) weights.push_back(basin::weigh(n, row, s));
  return weights;
}

/// One pass of an online normalizer over parts. Each part finds its own maximum and sums its unnormalised weights; the
/// accumulated output is rescaled when the next part is merged. Returns sum_j w_j j, the output for values 0, 1, 2, ...
template <class N, class T>
T output_in_one_pass(N const& n, std::vector<T> const& scores, parts_of_row<T> const& parts) {
  auto const start = basin::start_row(n, context_of<T>(scores.size()));
  auto row = start;
  T accumulated = T(0), value = T(0);
  for (auto const& part : parts) {
    auto fresh = start;
    for (T const s : part) n.raise(fresh, s);
    T sum = T(0);
    for (T const s : part) {
      T const term = n.term(fresh, s);
      n.add(fresh, s, term);
      sum += term * value;
      value += T(1);
    }
    auto const old = row;
    n.merge(row, fresh);
    accumulated = accumulated * n.rescale(old, row) + sum * n.rescale(fresh, row);
  }
  return accumulated * n.factor(row);
}

template <class T>
parts_of_row<T> cut_at(std::vector<T> const& scores, std::vector<std::size_t> cuts) {
  std::sort(cuts.begin(), cuts.end());
  parts_of_row<T> parts;
  std::size_t from = 0;
  for (std::size_t const cut : cuts) {
    parts.push_back(std::span<T const>(scores).subspan(from, cut - from));
    from = cut;
  }
  parts.push_back(std::span<T const>(scores).subspan(from));
  return parts;
}

/// Calls f(case, scores, parts) for the first 12 cuts of rows of several kinds and lengths, each with a second, random
/// cut. Rows contain scores of -inf.
template <class T, class Cases, class F>
void for_each_cut(Cases const& cases, F&& f) {
  for_each_case(cases, [&](auto const& c) {
    for (auto const kind : {row_kind::smooth, row_kind::tied, row_kind::far_apart})
      for (std::size_t const n : {1u, 9u, 130u}) {
        auto scores = in_type<T>(row_of_scores(kind, n + 50, n));
        if (n > 1) scores[0] = scores[n / 2] = basin::math::minus_inf<T>();
        splitmix rng{n};
        for (std::size_t cut = 0; cut <= std::min<std::size_t>(n, 12); ++cut) {
          std::size_t const second = rng() % (n + 1);
          CAPTURE(c.name, name_of(kind), n, cut, second);
          f(c, scores, cut_at(scores, {cut, second}));
        }
      }
  });
}

}  // namespace

TEMPLATE_TEST_CASE("a row may be split anywhere and merged in any order", "[property][normalizer]", float, double) {
  for_each_cut<TestType>(all_normalizers(), [](auto const& c, auto const& scores, auto const& parts) {
    using normalizer_type = std::remove_cvref_t<decltype(c.normalize)>;
    if constexpr (basin::streamable_normalizer<normalizer_type> || basin::online_normalizer<normalizer_type>) {
      auto const whole = weights_of(c.normalize, scores);
      for (auto const how : {meeting::from_left, meeting::from_right, meeting::with_empty}) {
        CAPTURE(static_cast<int>(how));
        auto const weights = weights_in_parts(c.normalize, scores, parts, how);
        // only the order of sums differs
        CHECK(distance(weights, whole) <= size_of(whole) * weight_tolerance<TestType>(scores.size(), 0));
        for (std::size_t j = 0; j < scores.size(); ++j) CHECK((weights[j] > 0) == (whole[j] > 0));
      }
    }
  });
}

TEST_CASE("a row that was split and merged has the Jacobian of the whole row", "[property][normalizer]") {
  for_each_case(all_normalizers(), [](auto const& c) {
    using normalizer_type = std::remove_cvref_t<decltype(c.normalize)>;
    if constexpr (basin::streamable_normalizer<normalizer_type> || basin::online_normalizer<normalizer_type>)
      for (auto const kind : {row_kind::smooth, row_kind::tied})
        for (std::size_t cut = 0; cut <= 9; ++cut) {
          auto const scores = row_of_scores(kind, 59, 9);
          auto const whole = basin::fit_row(c.normalize, std::span<double const>(scores), context_of<double>(9));
          auto const merged =
              row_in_parts(c.normalize, scores, cut_at(scores, {cut, (cut + 5) % 10}), meeting::from_left);
          CAPTURE(c.name, name_of(kind), cut);
          for (double const s : scores) {
            auto const expected =
                basin::as_low_rank(c.normalize.jacobian(whole, s, basin::weigh(c.normalize, whole, s)));
            auto const found =
                basin::as_low_rank(c.normalize.jacobian(merged, s, basin::weigh(c.normalize, merged, s)));
            double const tolerance = 16 * weight_tolerance<double>(9, 10, 4 * std::log(11.0));   // |slope| <= 16
            CHECK(std::fabs(found.diag - expected.diag) <= tolerance);
            for (std::size_t r = 0; r < expected.rank; ++r) {
              CHECK(std::fabs(found.outer[r] - expected.outer[r]) <= tolerance);
              CHECK(std::fabs(found.carry[r] - expected.carry[r]) <= tolerance);
            }
          }
        }
  });
}

TEMPLATE_TEST_CASE("one pass with rescaling gives the output of the whole row", "[property][normalizer]", float,
                   double) {
  for_each_cut<TestType>(all_normalizers(), [](auto const& c, auto const& scores, auto const& parts) {
    if constexpr (basin::online_normalizer<std::remove_cvref_t<decltype(c.normalize)>>) {
      auto const whole = weights_of(c.normalize, scores);
      double expected = 0, total = 0;
      for (std::size_t j = 0; j < whole.size(); ++j) {
        expected += static_cast<double>(whole[j]) * static_cast<double>(j);
        total += static_cast<double>(j);
      }
      double const slope = 4 * std::log(static_cast<double>(scores.size()) + 2);
      double const tolerance = weight_tolerance<TestType>(scores.size(), 1e4, slope) * size_of(whole) * (total + 1);
      CHECK(std::fabs(static_cast<double>(output_in_one_pass(c.normalize, scores, parts)) - expected) <= tolerance);
    }
  });
}

TEMPLATE_TEST_CASE("rescaling a row to itself is a factor of 1, also for an empty row", "[property][normalizer]", float,
                   double) {
  for_each_case(softmax_family(), [](auto const& c) {
    CAPTURE(c.name);
    auto row = basin::start_row(c.normalize, context_of<TestType>(5));
    CHECK(c.normalize.rescale(row, row) == 1);
    auto const empty = row;
    c.normalize.raise(row, TestType(3));
    CHECK(c.normalize.rescale(row, row) == 1);
    CHECK(c.normalize.rescale(empty, row) >= 0);  // finite, because it multiplies a 0
    CHECK(c.normalize.rescale(empty, row) <= 1);
    auto both = empty;
    c.normalize.merge(both, empty);
    CHECK(c.normalize.factor(both) == 0);
  });
}

}  // namespace basin_test
