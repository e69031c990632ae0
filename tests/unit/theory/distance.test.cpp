// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers theory/gram.hpp, selection.hpp, distance.hpp, expectation.hpp and row_limits.hpp: values worked out by hand or
// from vectors, edge cases, and invalid arguments.
#include "basin/theory/row_limits.hpp"
#include "support/catch.hpp"
#include "support/texts.hpp"

namespace basin_test {

namespace theory = basin::theory;
using numbers = std::vector<double>;
using set = std::vector<basin::index_t>;
using theory::reading;

namespace {

/// Five tokens in the plane under softmax of 2, 1, 0.1, -1, 0.5.
text const five({1, 0, 0, 1, -1, 0, 0.6, 0.8, 0.8, -0.6}, 5, 2);
numbers const five_weights{0.558545234, 0.205477309, 0.083540839, 0.027808330, 0.124628288};
double const printed = 4e-9;                                     // five weights of nine decimals

}  // namespace

TEST_CASE("distances of two of five tokens in the plane are those worked out by hand", "[unit][theory]") {
  std::span<double const> const w(five_weights);
  auto const top = theory::strongest(w, 2);
  CHECK(top == set{0, 1});
  auto const reach = theory::split_of(w, five.seen(), top);
  CHECK(std::fabs(reach.inside - 0.764022543) <= printed);
  CHECK(std::fabs(reach.inside + reach.outside - 1) <= printed);
  CHECK(reach.d1 == Approx(2).epsilon(1e-14));
  CHECK(reach.d2 == Approx(1).epsilon(1e-14));
  auto const context =
      theory::context_vector(w, basin::view<double const, 2>(basin::contiguous(five.x.data(), 5, 2)), top);
  CHECK(context == numbers{0.558545234, 0.205477309});
  CHECK(std::fabs(theory::context_norm(w, five.seen(), top) - std::hypot(0.558545234, 0.205477309)) <= printed);
  CHECK(std::fabs(theory::true_distance(reading::a, w, five.seen(), top) - 1.783825184) <= printed);
  CHECK(std::fabs(theory::true_distance(reading::b, w, five.seen(), top) - 0.585599511) <= printed);
  CHECK(std::fabs(theory::distance_bound(reading::a, w, five.seen(), top, theory::selection::top) - 2.528045086) <=
        printed);
  CHECK(std::fabs(theory::distance_bound(reading::a, w, five.seen(), top) - 2.528045086) <= printed);
  theory::random_selection const drawn(w, five.seen());
  CHECK(std::fabs(drawn.of(2).formula - 1.118266263) <= printed);
  CHECK(drawn.of(2).formula <= 1.308166932);                     // the mean over all ten pairs
  CHECK(drawn.of(2).upper >= 1.308166932);
  auto const found = theory::drawn_distance(reading::a, w, five.seen(), 2, 20000, 3);
  CHECK(std::fabs(found.mean - 1.308166932) <= 6 * found.error); // false once in 5e8
  CHECK(found.error < 0.004);
}

TEST_CASE("every reading of the distance agrees with sums of vectors, for any number of keys and any set",
          "[unit][theory]") {
  splitmix rng{5};
  for (basin::index_t const keys : {1, 2, 3, 8, 21}) {
    text const t(keys, 4, static_cast<std::uint64_t>(keys));
    auto const w = random_weights(static_cast<std::size_t>(keys), rng, 1.5);
    for (std::size_t count = 0; count <= w.size(); count += 1 + w.size() / 4) {
      auto const inside = random_set(w.size(), count, rng);
      double a = 0, c = 0;
      numbers all(w.begin(), w.end());
      for (auto const i : inside) all[static_cast<std::size_t>(i)] *= -1;
      for (std::size_t i = 0; i < w.size(); ++i) {
        if (std::find(inside.begin(), inside.end(), static_cast<basin::index_t>(i)) != inside.end()) continue;
        a += t.length_of(around(w, inside, i, w[i]));
        c += t.length_of(around(w, inside, i, 1));
      }
      CAPTURE(keys, count);
      std::span<double const> const weights(w);
      CHECK(theory::true_distance(reading::a, weights, t.seen(), inside) == Approx(a).epsilon(1e-11).margin(1e-11));
      CHECK(theory::true_distance(reading::b, weights, t.seen(), inside) == Approx(t.length_of(all)).epsilon(1e-11));
      CHECK(theory::true_distance(reading::c, weights, t.seen(), inside) == Approx(c).epsilon(1e-11).margin(1e-11));
    }
  }
}

TEST_CASE("a row has the same distances by a list of keys, a float matrix and other strides", "[unit][theory]") {
  text const t(23, 5, 9, 0.4);
  splitmix rng{3};
  set const seen{1, 4, 5, 9, 12, 13, 20, 22};
  auto const w = random_weights(seen.size(), rng, 1.0);
  std::span<double const> const weights(w);
  numbers few;
  for (auto const i : seen)
    for (basin::index_t d = 0; d < 5; ++d) few.push_back(t(i, d));
  text const alone(few, 8, 5);
  std::vector<float> single(t.gram.begin(), t.gram.end());
  set const counts{1, 2, 5, 8};
  std::vector<theory::row_distance> expected(4), found(4);
  theory::row_distances(weights, alone.seen(), counts, std::span(expected));
  auto const compare = [&](auto const& gram, double tolerance) {
    theory::row_distances(weights, gram, counts, std::span(found));
    for (std::size_t n = 0; n < 4; ++n)
      for (auto const field : {&theory::row_distance::mass, &theory::row_distance::a, &theory::row_distance::b,
                               &theory::row_distance::c, &theory::row_distance::bound})
        CHECK(found[n].*field == Approx(expected[n].*field).epsilon(tolerance).margin(tolerance));
    for (std::size_t n = 0; n < 4; ++n)
      CHECK(found[n].expected.upper == Approx(expected[n].expected.upper).epsilon(tolerance).margin(tolerance));
  };
  compare(theory::seen_gram<double>{t.products(), seen}, 1e-11);
  compare(theory::seen_gram<float>{basin::contiguous(std::as_const(single).data(), 23, 23), seen}, 1e-4);
  numbers wide(46 * 46, nan);
  auto const spaced =
      basin::strided(wide.data(), std::array<basin::index_t, 2>{23, 23}, std::array<basin::index_t, 2>{2, 92});
  for (basin::index_t i = 0; i < 23; ++i)
    for (basin::index_t j = 0; j < 23; ++j) spaced(i, j) = t.products()(i, j);
  compare(theory::seen_gram<double>{spaced, seen}, 1e-11);
  for (basin::index_t i = 0; i < 8; ++i)
    for (basin::index_t j = 0; j < 8; ++j) spaced(i, j) = alone.products()(i, j);
  compare(theory::seen_gram<double>{spaced, {}}, 1e-11);         // the first keys, not contiguous
}

TEST_CASE("a list of N gives the distances of each N alone", "[unit][theory]") {
  splitmix rng{17};
  text const t(40, 6, 2, 0.3);
  auto const w = random_weights(33, rng, 2.0);                   // a causal row: the first 33 keys of 40
  std::span<double const> const weights(w);
  set const counts{1, 2, 7, 32, 33, 34};
  std::vector<theory::row_distance> rows(counts.size());
  theory::row_distances(weights, t.seen(), counts, std::span(rows));
  theory::random_selection const drawn(weights, t.seen());
  for (std::size_t n = 0; n + 1 < counts.size(); ++n) {
    auto const top = theory::strongest(weights, counts[n]);
    CAPTURE(counts[n]);
    CHECK(rows[n].a == Approx(theory::true_distance(reading::a, weights, t.seen(), top)).epsilon(1e-11).margin(1e-11));
    CHECK(rows[n].b == Approx(theory::true_distance(reading::b, weights, t.seen(), top)).epsilon(1e-11));
    CHECK(rows[n].c == Approx(theory::true_distance(reading::c, weights, t.seen(), top)).epsilon(1e-11).margin(1e-11));
    CHECK(rows[n].bound == Approx(theory::distance_bound(reading::a, weights, t.seen(), top, theory::selection::top))
                               .epsilon(1e-11)
                               .margin(1e-11));
    CHECK(rows[n].expected.formula == drawn.of(counts[n]).formula);
  }
  CHECK(rows[4].a == 0);                                         // N = L: no other token
  CHECK(rows[4].bound == Approx(0).margin(1e-12));
  CHECK(rows[4].expected.formula == 0);
  CHECK(std::isnan(rows[5].a));                                  // N > L: there is no such set
  CHECK(std::isnan(rows[5].expected.upper));
}

TEST_CASE("the expectation has the limits of corollary 2", "[unit][theory]") {
  splitmix rng{23};
  text const t(400, 8, 4);
  auto const w = random_weights(400, rng, 0.5);
  theory::random_selection const drawn(std::span<double const>(w), t.seen());
  double norms = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    numbers one(w.size());
    one[i] = w[i];
    norms += t.length_of(one);
  }
  CHECK(drawn.many_keys_limit() == Approx(norms).epsilon(1e-12));
  CHECK(drawn.of(0).formula == Approx(norms).epsilon(1e-12));
  CHECK(drawn.of(1).formula == Approx(norms).epsilon(0.01));     // N / L = 1 / 400; the sum of the others is below 1
  CHECK(drawn.of(400).formula == 0);
  CHECK(drawn.of(400).excess == 0);
  CHECK(drawn.of(400).upper == 0);
  // N/(L-1) = 1: about |sum w_i x_i|, not 0
  CHECK(drawn.of(399).formula == Approx(drawn.of(399).printed).epsilon(1e-12));
  CHECK_THROWS_AS(drawn.of(401), basin::value_error);
  CHECK_THROWS_AS(drawn.of(-1), basin::value_error);
}

TEST_CASE("selection is deterministic: the first of tied weights, a NaN last", "[unit][theory]") {
  numbers const w{0.1, 0.3, 0.3, nan, 0.1, 0.2};
  std::span<double const> const weights(w);
  CHECK(theory::strongest(weights, 3) == set{1, 2, 5});
  CHECK(theory::strongest(weights, 99) == set{1, 2, 5, 0, 4, 3});
  CHECK(theory::strongest(weights, 0).empty());
  CHECK_THROWS_AS(theory::strongest(weights, -1), basin::value_error);
  auto const seen = theory::visible_of(weights, numbers{1, 2, 3, 4, 5, 6});
  CHECK(seen.keys.empty());                                      // all keys are visible: no list
  CHECK(seen.weights.size() == 6);
  auto const causal = theory::visible_of(weights, numbers{1, 2, 3, -inf, -inf, -inf});
  CHECK(causal.keys.empty());
  CHECK(causal.weights == numbers{0.1, 0.3, 0.3});
  auto const holes = theory::visible_of(weights, numbers{1, -inf, 3, -inf, -inf, 6});
  CHECK(holes.keys == set{0, 2, 5});
  CHECK(holes.scores == numbers{1, 3, 6});
  CHECK_THROWS_AS(theory::visible_of(weights, numbers{1}), basin::shape_error);
}

TEST_CASE("the geometry of a text has its largest norm, least distance and mean cosine", "[unit][theory]") {
  auto const plane = theory::geometry_of(five.products());
  CHECK(plane.least_distance == Approx(0.632455532).epsilon(1e-8));
  CHECK(plane.largest_norm == Approx(1).epsilon(1e-14));
  // cosines of the ten pairs by hand: 0 -1 .6 .8, 0 .8 -.6, -.6 -.8, 0
  CHECK(plane.mean_cosine == Approx(-0.08).epsilon(1e-10));
  // deviation 1 / (200 8)
  CHECK(theory::geometry_of(text(200, 64, 1).products()).mean_cosine == Approx(0).margin(0.01));
  CHECK(theory::geometry_of(text(100, 64, 1, 3.0).products()).mean_cosine > 0.85);                // 9 / (9 + 1)
  CHECK(theory::geometry_of(text({1, 2, 1, 2, 3, 4}, 3, 2).products()).least_distance == 0);
  CHECK(std::isinf(theory::geometry_of(text({1, 2}, 1, 2).products()).least_distance));
  text moved({3, 4, 0, 0.5, -1, 0}, 3, 2);
  moved.onto_sphere(2);
  for (std::size_t n = 0; n < 6; ++n) CHECK(moved.x[n] == Approx(numbers{1.2, 1.6, 0, 2, -2, 0}[n]).epsilon(1e-15));
}

TEST_CASE("theory refuses texts and sets of the wrong shape and numbers out of range", "[unit][theory][errors]") {
  std::span<double const> const w(five_weights);
  CHECK_THROWS_AS(theory::true_distance(reading::a, w, five.seen(), set{5}), basin::shape_error);
  CHECK_THROWS_AS(theory::true_distance(reading::a, w, five.seen(), set{-1}), basin::shape_error);
  CHECK_THROWS_AS(theory::true_distance(reading::a, w, five.seen(), set{1, 1}), basin::shape_error);
  CHECK_THROWS_AS(theory::distance_bound(reading::a, w, five.seen(), set{7}), basin::shape_error);
  numbers const more(6, 0.1);
  CHECK_THROWS_AS(theory::true_distance(reading::a, std::span<double const>(more), five.seen(), set{0}),
                  basin::shape_error);
  CHECK_THROWS_AS(theory::random_selection(std::span<double const>(more), five.seen()), basin::shape_error);
  CHECK_THROWS_AS(theory::random_selection(std::span<double const>(), five.seen()), basin::shape_error);
  CHECK_THROWS_AS(
      theory::context_vector(w, basin::view<double const, 2>(basin::contiguous(five.x.data(), 4, 2)), set{0}),
      basin::shape_error);
  CHECK_THROWS_AS(
      theory::context_vector(w, basin::view<double const, 2>(basin::contiguous(five.x.data(), 5, 2)), set{0, 0}),
      basin::shape_error);
  CHECK_THROWS_AS(theory::drawn_distance(reading::a, w, five.seen(), 6, 10, 1), basin::value_error);
  CHECK_THROWS_AS(theory::drawn_distance(reading::a, w, five.seen(), 2, 1, 1), basin::value_error);
  std::vector<theory::row_distance> rows(2);
  CHECK_THROWS_AS(theory::row_distances(w, five.seen(), set{1}, std::span(rows)), basin::shape_error);
  CHECK_THROWS_AS(theory::row_distances(w, five.seen(), set{2, 2}, std::span(rows)), basin::value_error);
  CHECK_THROWS_AS(theory::row_distances(w, five.seen(), set{0, 2}, std::span(rows)), basin::value_error);
  numbers x(6, 1.0), gram(9);
  CHECK_THROWS_AS(theory::gram_of(basin::view<double const, 2>(basin::contiguous(x.data(), 2, 3)),
                                  basin::contiguous(gram.data(), 3, 3)),
                  basin::shape_error);
  CHECK_THROWS_AS(theory::gram_of(basin::view<double const, 2>(basin::contiguous(x.data(), 2, 3)),
                                  basin::contiguous(gram.data(), 2, 3)),
                  basin::shape_error);
  CHECK_THROWS_AS(theory::geometry_of(basin::view<double const, 2>(basin::contiguous(x.data(), 2, 3))),
                  basin::shape_error);
  numbers zero{1, 0, 0, 0};
  CHECK_THROWS_AS(theory::onto_sphere(basin::contiguous(zero.data(), 2, 2)), basin::value_error);
  CHECK(zero == numbers{1, 0, 0, 0});
  CHECK_THROWS_AS(theory::onto_sphere(basin::contiguous(zero.data(), 1, 2), 0), basin::value_error);
}

}  // namespace basin_test
