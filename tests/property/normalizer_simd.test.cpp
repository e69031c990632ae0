// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers core/simd.hpp and every file of normalize/: each lane of a batch, one row per lane, gives the scalar results.
#include <algorithm>

#include "basin/core/simd.hpp"
#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/rows.hpp"
#include "support/scores.hpp"
#include "support/tolerance.hpp"

namespace basin_test {

namespace {

/// scores[lane][key]
template <class T>
using rows_of_scores = std::vector<std::vector<T>>;

template <class T>
std::vector<basin::simd<T>> transposed(rows_of_scores<T> const& rows) {
  std::vector<basin::simd<T>> out;
  for (std::size_t j = 0; j < rows[0].size(); ++j) {
    alignas(64) T lanes[basin::simd<T>::size];
    for (std::size_t l = 0; l < rows.size(); ++l) lanes[l] = rows[l][j];
    out.push_back(basin::simd<T>::load_aligned(lanes));
  }
  return out;
}

template <class T>
rows_of_scores<T> transposed(std::vector<basin::simd<T>> const& batches) {
  rows_of_scores<T> out(basin::simd<T>::size);
  for (auto const& b : batches) {
    alignas(64) T lanes[basin::simd<T>::size];
    b.store_aligned(lanes);
    for (std::size_t l = 0; l < out.size(); ++l) out[l].push_back(lanes[l]);
  }
  return out;
}

/// Weights of a batch of rows, each lane with its own number of visible keys.
template <class N, class T>
rows_of_scores<T> weights_of_batch(N const& n, rows_of_scores<T> const& rows, std::vector<T> const& visible) {
  using batch = basin::simd<T>;
  auto const scores = transposed(rows);
  batch const seen = batch::load_unaligned(visible.data());
  auto row = basin::start_row(n, basin::row_context<batch>{0, 0, seen - batch(1), seen});
  basin::run_stages(n, row, [&](auto f) { for (batch const s : scores) f(s); });
  std::vector<batch> weights;
  for (batch const s : scores) weights.push_back(basin::weigh(n, row, s));
  return transposed(weights);
}

/// Rows of several kinds and lengths, padded with -inf.
template <class T>
rows_of_scores<T> ragged_rows(std::size_t keys, std::vector<T>& visible) {
  rows_of_scores<T> rows;
  for (std::size_t l = 0; l < basin::simd<T>::size; ++l) {
    std::size_t const length = l == 1 ? 0 : std::max<std::size_t>(1, keys * (l + 1) / basin::simd<T>::size);
    auto row = in_type<T>(row_of_scores(static_cast<row_kind>(l % 3), l + 5, length));
    visible.push_back(static_cast<T>(length));
    row.resize(keys, basin::math::minus_inf<T>());
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

TEMPLATE_TEST_CASE("lanes of a batch have the weights of scalar rows", "[property][normalizer][simd]", float, double) {
  for_each_case(all_normalizers(), [](auto const& c) {
    if constexpr (!basin::fits_rows<decltype(c.normalize)>)
      for (std::size_t const keys : {1u, 5u, 64u, 200u}) {
        std::vector<TestType> visible;
        auto const rows = ragged_rows<TestType>(keys, visible);
        auto const weights = weights_of_batch(c.normalize, rows, visible);
        for (std::size_t l = 0; l < rows.size(); ++l) {
          CAPTURE(c.name, keys, l);
          auto const expected =
              weights_of(c.normalize, rows[l], context_of<TestType>(static_cast<std::size_t>(visible[l])));
          double const slope = 4 * std::log(static_cast<double>(keys) + 2);
          CHECK(distance(weights[l], expected) <=
                size_of(expected) * weight_tolerance<TestType>(keys, l % 3 == 2 ? 1e4 : 10, slope));
          // A batch flushes subnormal exponentials, and normal ones within 1 % of them, to 0 (core/simd.hpp). A weight
          // is at most max(1, |s|) exponentials.
          for (std::size_t j = 0; j < keys; ++j) {
            auto const least =
                TestType(1.01) * std::numeric_limits<TestType>::min() * std::max(TestType(1), std::fabs(rows[l][j]));
            if (std::max(std::fabs(weights[l][j]), std::fabs(expected[j])) >= least)
              CHECK((weights[l][j] > 0) == (expected[j] > 0));
          }
        }
      }
  });
}

TEMPLATE_TEST_CASE("a subnormal exponential is 0 in a lane, and its scalar weight is below |s| times the least normal",
                   "[property][normalizer][simd]", float, double) {
  bool const is_double = sizeof(TestType) == 8;
  std::vector<TestType> const row = is_double ? std::vector<TestType>{TestType(9798.5625), TestType(9085.234375)}
                                              : std::vector<TestType>{TestType(900), TestType(806.5)};
  std::vector<TestType> const visible(basin::simd<TestType>::size, TestType(2));
  rows_of_scores<TestType> const rows(visible.size(), row);
  auto const scalar = weights_of(basin::self_adjusted_plain{}, row, context_of<TestType>(2));
  auto const lane = weights_of_batch(basin::self_adjusted_plain{}, rows, visible)[0];
  CHECK(lane[0] == scalar[0]);
  CHECK(lane[1] == 0);
  CHECK(scalar[1] > 0);
  CHECK(scalar[1] < row[1] * std::numeric_limits<TestType>::min());
}

TEMPLATE_TEST_CASE("a lane has the same bits whatever its neighbours hold", "[property][normalizer][simd]", float,
                   double) {
  std::size_t const lanes = basin::simd<TestType>::size, keys = 60;
  std::vector<TestType> const visible(lanes, static_cast<TestType>(keys));
  for_each_case(all_normalizers(), [&](auto const& c) {
    if constexpr (!basin::fits_rows<decltype(c.normalize)>)
      for (auto const kind : {row_kind::smooth, row_kind::tied, row_kind::far_apart})
        for (std::uint64_t seed = 0; seed < 8; ++seed) {
          auto const row = in_type<TestType>(row_of_scores(kind, seed, keys));
          rows_of_scores<TestType> alike(lanes, row), mixed = alike;
          for (std::size_t l = 1; l < lanes; ++l)                // other numbers of passes
            mixed[l] = in_type<TestType>(row_of_scores(static_cast<row_kind>(l % 3), seed + l, keys));
          CAPTURE(c.name, name_of(kind), seed);
          CHECK(weights_of_batch(c.normalize, mixed, visible)[0] == weights_of_batch(c.normalize, alike, visible)[0]);
        }
  });
}

TEMPLATE_TEST_CASE("lanes of a batch have the Jacobian of scalar rows", "[property][normalizer][simd]", float, double) {
  using batch = basin::simd<TestType>;
  for_each_case(all_normalizers(), [](auto const& c) {
    if constexpr (!basin::fits_rows<decltype(c.normalize)>) {
      std::vector<TestType> const scores = in_type<TestType>(row_of_scores(row_kind::smooth, 4, 12));
      auto row = basin::start_row(c.normalize, context_of<TestType>(12));
      auto wide =
          basin::start_row(c.normalize, basin::row_context<batch>{0, 0, batch(TestType(11)), batch(TestType(12))});
      basin::run_stages(c.normalize, row, [&](auto f) { for (TestType const s : scores) f(s); });
      basin::run_stages(c.normalize, wide, [&](auto f) { for (TestType const s : scores) f(batch(s)); });
      for (TestType const s : scores) {
        CAPTURE(c.name, s);
        auto const one = basin::as_low_rank(c.normalize.jacobian(row, s, basin::weigh(c.normalize, row, s)));
        auto const all =
            basin::as_low_rank(c.normalize.jacobian(wide, batch(s), basin::weigh(c.normalize, wide, batch(s))));
        double const tolerance = 16 * weight_tolerance<TestType>(12, 10, 11);                // |slope| <= 16
        CHECK(std::fabs(one.diag - all.diag.get(batch::size - 1)) <= tolerance);
        for (std::size_t r = 0; r < one.rank; ++r) {
          CHECK(std::fabs(one.outer[r] - all.outer[r].get(batch::size - 1)) <= tolerance);
          CHECK(std::fabs(one.carry[r] - all.carry[r].get(0)) <= tolerance);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("a lane of NaN or infinite scores ends its search and does not affect its neighbours",
                   "[property][normalizer][simd]", float, double) {
  for (double const poison : {nan, inf})
    for_each_case(all_normalizers(), [&](auto const& c) {
      if constexpr (!basin::fits_rows<decltype(c.normalize)>) {
        if (poison == inf && c.seen == scores::apart) return;  // such a normalizer treats it as a large score
        std::vector<TestType> visible(basin::simd<TestType>::size, TestType(9));
        rows_of_scores<TestType> rows(basin::simd<TestType>::size,
                                      in_type<TestType>(row_of_scores(row_kind::smooth, 2, 9)));
        auto const clean = weights_of_batch(c.normalize, rows, visible);
        rows[1][4] = static_cast<TestType>(poison);
        auto const weights = weights_of_batch(c.normalize, rows, visible);
        CAPTURE(c.name, poison);
        CHECK(weights[0] == clean[0]);
        if constexpr (basin::simd<TestType>::size > 2) CHECK(weights[2] == clean[2]);
        double const sum = sum_of(weights[1]);
        CHECK(std::isnan(sum));                                  // not a plausible row of the other scores
      }
    });
}

/// The number of passes until all rows of a batch have converged.
template <class N, class T>
int sweeps_of_batch(N const& n, rows_of_scores<T> const& rows) {
  using batch = basin::simd<T>;
  auto const scores = transposed(rows);
  batch const seen(static_cast<T>(scores.size()));
  auto row = basin::start_row(n, basin::row_context<batch>{0, 0, seen - batch(1), seen});
  if constexpr (basin::raises_rows<N>)
    for (batch const s : scores) n.raise(row, s);
  basin::begin_search(n, row);
  int sweeps = 0;
  do {
    for (batch const s : scores) n.absorb(row, s);
    ++sweeps;
  } while (basin::math::any(n.next(row)) && sweeps < 1000);
  return sweeps;
}

TEMPLATE_TEST_CASE("a search ends whatever its lanes hold, and converged rows stay converged",
                   "[property][normalizer][simd]", float, double) {
  splitmix rng{7};
  for (int draw = 0; draw < 400; ++draw) {
    std::size_t const keys = 1 + rng() % 12;
    rows_of_scores<TestType> rows;
    for (std::size_t l = 0; l < basin::simd<TestType>::size; ++l) {
      auto row = in_type<TestType>(row_of_scores(static_cast<row_kind>(rng() % 3), rng(), keys));
      for (auto& s : row)
        if (auto const what = rng() % 12; what < 3) s = static_cast<TestType>(what == 0 ? nan : what == 1 ? inf : -inf);
      rows.push_back(row);
    }
    for_each_case(all_normalizers(), [&](auto const& c) {
      if constexpr (basin::sweeps_rows<decltype(c.normalize)>) {
        CAPTURE(c.name, draw);
        CHECK(sweeps_of_batch(c.normalize, rows) < 300);
      }
    });
  }
}

}  // namespace basin_test
