// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers examples/limits/: row_measures.hpp, head_means.cpp, row_plan.hpp and experiment.hpp. Compares the figures of a
// tiny model with plain loops over its vectors.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/theory/sensitivity.hpp"
#include "limits/experiment.hpp"
#include "limits/input.hpp"
#include "support/catch.hpp"

namespace basin::limits {

namespace {

using vectors = std::vector<std::vector<double>>;                // [position][feature]

limits_options small_options() {
  limits_options o;
  o.random_model = {2, 4, 16};
  o.lengths = {6, 17};
  o.top = {1, 4};
  o.fixed_top = 3;
  o.selected = {1, 2, 5};
  o.temperatures = {0.5, 2};
  o.epsilons = {0.01};
  o.every = 1;
  o.sensitivity_rows = 17;
  return o;
}

/// The vectors of every head, [position][feature].
std::vector<vectors> heads_of(view<float const, 4> x) {
  std::vector<vectors> heads(static_cast<std::size_t>(x.extent(1)), vectors(static_cast<std::size_t>(x.extent(2))));
  for (index_t h = 0; h < x.extent(1); ++h)
    for (index_t i = 0; i < x.extent(2); ++i)
      for (index_t d = 0; d < x.extent(3); ++d)
        heads[static_cast<std::size_t>(h)][static_cast<std::size_t>(i)].push_back(x(0, h, i, d));
  return heads;
}

double dot(std::vector<double> const& a, std::vector<double> const& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

std::vector<double> softmax_of(std::vector<double> const& scores) {
  double const most = *std::ranges::max_element(scores);
  std::vector<double> w;
  for (double const s : scores) w.push_back(std::exp(s - most));
  double const sum = std::accumulate(w.begin(), w.end(), 0.0);
  for (double& x : w) x /= sum;
  return w;
}

/// |sum of a_i x_i|.
double length_of_sum(std::vector<double> const& by, vectors const& x) {
  std::vector<double> sum(x[0].size());
  for (std::size_t i = 0; i < by.size(); ++i)
    for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += by[i] * x[i][d];
  return std::sqrt(dot(sum, sum));
}

struct by_hand {
  subject s;
  std::vector<int> tokens;
  vectors x;                                                     // token embeddings on the unit sphere
  std::vector<std::vector<vectors>> q, k;

  explicit by_hand(limits_options const& o) : s(subject_of(o)), tokens(input_of(o).tokens) {
    for_each_layer(s, tokens, [&](layer_activations const& at) {
      q.push_back(heads_of(at.q)), k.push_back(heads_of(at.k));
    });
    for (auto& p : s.model.parameters())
      if (p.name == "embedding.weight")
        for (int const id : tokens) {
          std::vector<double> row(p.values.begin() + id * 16, p.values.begin() + (id + 1) * 16);
          double const norm = std::sqrt(dot(row, row));
          for (double& v : row) v /= norm;
          x.push_back(row);
        }
  }
  std::vector<double> scores(int layer, int head, std::size_t row) const {
    std::vector<double> out;                                     // the head dim is 4: the scale is 1/2
    for (std::size_t j = 0; j <= row; ++j)
      out.push_back(dot(q[static_cast<std::size_t>(layer)][static_cast<std::size_t>(head)][row],
                        k[static_cast<std::size_t>(layer)][static_cast<std::size_t>(head)][j]) / 2.0);
    return out;
  }
  /// w: all weights. in: the weights of the N strongest keys, 0 for the others (s = sum of in_i x_i). order: keys by
  /// weight.
  struct chosen {
    std::vector<double> w, in;
    std::vector<std::size_t> order;
  };
  chosen choose(int layer, int head, std::size_t row, std::size_t n) const {
    chosen c{softmax_of(scores(layer, head, row)), {}, std::vector<std::size_t>(row + 1)};
    std::iota(c.order.begin(), c.order.end(), std::size_t{0});
    std::ranges::stable_sort(c.order, [&](std::size_t a, std::size_t b) { return c.w[a] > c.w[b]; });
    c.in.assign(row + 1, 0.0);
    for (std::size_t i = 0; i < n; ++i) c.in[c.order[i]] = c.w[c.order[i]];
    return c;
  }
  double least_distance() const {
    double least = INFINITY;
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        least = std::min(least, std::sqrt(std::max(0.0, dot(x[i], x[i]) + dot(x[j], x[j]) - 2 * dot(x[i], x[j]))));
    return least;
  }
  /// |w_i x_i - s|.
  double distance(chosen const& c, std::size_t i) const {
    auto by = c.in;
    for (double& b : by) b = -b;
    by[i] += c.w[i];
    return length_of_sum(by, x);
  }
};

std::vector<candidate> only_softmax() { return chosen_of(all_candidates({64}), {"softmax"}); }

}  // namespace

TEST_CASE("distances of a tiny model equal those computed from its vectors", "[unit][limits]") {
  auto const o = small_options();
  by_hand hand(o);
  auto const f = measure(hand.s, hand.tokens, only_softmax(), o, [] {});
  REQUIRE(f.distances.size() == 2 * 4 * (1 + 3));                // layers, heads; N = 3 at length 6, all N at 17
  for (auto const& d : f.distances) {
    CAPTURE(d.index.layer, d.index.head, d.length, d.n);
    double a = 0, formula = 0;
    index_t rows = 0;
    for (std::size_t t = static_cast<std::size_t>(d.n); t < static_cast<std::size_t>(d.length); ++t, ++rows) {
      auto const c = hand.choose(d.index.layer, d.index.head, t, static_cast<std::size_t>(d.n));
      double const keys = static_cast<double>(t + 1), n = static_cast<double>(d.n);
      for (std::size_t i = 0; i <= t; ++i) {
        if (std::find(c.order.begin(), c.order.begin() + d.n, i) == c.order.begin() + d.n) a += hand.distance(c, i);
        auto by = c.w;
        for (double& b : by) b *= -n / (keys - 1);
        by[i] = c.w[i];
        formula += (keys - n) / keys * length_of_sum(by, hand.x);
      }
    }
    CHECK(d.rows == rows);
    CHECK(d.true_a == Approx(a / static_cast<double>(rows)).epsilon(1e-5));
    CHECK(d.formula == Approx(formula / static_cast<double>(rows)).epsilon(1e-5));
    CHECK(d.broken == 0.0);
    CHECK(d.bound >= d.true_a * (1 - 1e-6));
    CHECK(d.proved >= d.formula);
    if (d.length < 17) continue;
    std::vector<index_t> const drawn{1, 3, 5, 7, 9, 11, 13, 16};  // 8 of 17 rows
    CHECK(d.exact_rows == std::ranges::count_if(drawn, [&](index_t t) { return t >= d.n; }));
    CHECK(d.exact > 0.9 * d.formula_there);
    CHECK(d.exact < 1.1 * d.proved_there);
  }
}

TEST_CASE("the share of distinguishable tokens equals that computed from vectors", "[unit][limits]") {
  auto const o = small_options();
  by_hand hand(o);
  auto const f = measure(hand.s, hand.tokens, only_softmax(), o, [] {});
  REQUIRE(f.separations.size() == 2 * 4 * 3);
  for (auto const& s : f.separations) {
    CAPTURE(s.index.layer, s.index.head, s.n);
    double share = 0, lower = 0;
    index_t rows = 0;
    for (std::size_t t = static_cast<std::size_t>(s.n); t < 17; ++t, ++rows) {
      auto const c = hand.choose(s.index.layer, s.index.head, t, static_cast<std::size_t>(s.n));
      double least = INFINITY;
      for (std::size_t i = static_cast<std::size_t>(s.n); i <= t; ++i)
        least = std::min(least, hand.distance(c, c.order[i]));
      double spreads = 0;
      for (std::size_t i = 0; i < static_cast<std::size_t>(s.n); ++i) {
        share += hand.distance(c, c.order[i]) <= least * (1 + 1e-6);
        double others = 0, squares = 0;
        for (std::size_t j = 0; j < static_cast<std::size_t>(s.n); ++j)
          if (j != i) others += c.w[c.order[j]], squares += c.w[c.order[j]] * c.w[c.order[j]];
        double const delta = hand.least_distance();
        spreads += std::sqrt(squares + (1 - delta * delta / 2) * (others * others - squares));
      }
      lower += std::max(0.0, 1 - spreads / (least * static_cast<double>(s.n)));
    }
    CHECK(s.rows == rows);
    CHECK(s.ratio == Approx(share / static_cast<double>(rows * s.n)).margin(1e-6));
    CHECK(s.lower == Approx(lower / static_cast<double>(rows)).epsilon(1e-4).margin(1e-6));
    if (s.n == 1) CHECK(s.ratio == 1.0);
  }
}

TEST_CASE("entropy and largest weight equal those of the scores, and gains obey their bound", "[unit][limits]") {
  auto const o = small_options();
  by_hand hand(o);
  auto const f = measure(hand.s, hand.tokens, only_softmax(), o, [] {});
  for (auto const& m : f.monitors) {
    double nats = 0, n_most = 0;
    for (std::size_t t = 0; t < static_cast<std::size_t>(m.length); ++t) {
      auto const w = softmax_of(hand.scores(m.index.layer, m.index.head, t));
      for (double const x : w) nats -= x * std::log(x) / static_cast<double>(m.length);
      n_most += static_cast<double>(t + 1) * *std::ranges::max_element(w) / static_cast<double>(m.length);
    }
    CHECK(m.entropy == Approx(nats).epsilon(1e-5));
    CHECK(m.n_max_weight == Approx(n_most).epsilon(1e-5));
    CHECK(m.mass == Approx(1.0).epsilon(1e-5));
  }
  REQUIRE(f.sensitivities.size() == 2 * 4 * 2);
  for (auto const& s : f.sensitivities) {
    CHECK(s.rows == 17);
    CHECK(s.most <= std::min(1 / (2 * s.temperature), std::sqrt(2.0) / s.epsilon));
    CHECK(s.mean > 0);
  }
}

TEST_CASE("a gain is the change of weights along the direction of its row", "[unit][limits]") {
  auto o = small_options();
  o.sensitivity_rows = 1;                                        // the last row
  by_hand hand(o);
  auto const f = measure(hand.s, hand.tokens, only_softmax(), o, [] {});
  for (auto const& s : f.sensitivities) {
    CAPTURE(s.index.layer, s.index.head, s.temperature);
    auto scores = hand.scores(s.index.layer, s.index.head, 16);
    auto const v =
        theory::random_direction(17, o.seed, static_cast<std::uint64_t>((s.index.layer * 4 + s.index.head) * 17 + 16));
    auto moved = scores;
    for (std::size_t j = 0; j < 17; ++j)
      moved[j] = (scores[j] + s.epsilon * v[j]) / s.temperature, scores[j] /= s.temperature;
    auto const here = softmax_of(scores), there = softmax_of(moved);
    double square = 0;
    for (std::size_t j = 0; j < 17; ++j) square += (there[j] - here[j]) * (there[j] - here[j]);
    CHECK(s.rows == 1);
    CHECK(s.mean == Approx(std::sqrt(square) / s.epsilon).epsilon(1e-4));
  }
}

TEST_CASE("query heads of a group use the embeddings of their group", "[unit][limits]") {
  auto o = small_options();
  o.lengths = {3};
  o.top = {1};
  o.fixed_top = 1;
  o.selected = {1};
  row_plan const plan(o);
  embedding_geometry seen{.gram = std::vector<float>(18, 1.0f), .groups = 2, .length = 3, .dim = 3,
                       .least_distance = {0, 1}, .mean_cosine = {1, 0}};
  for (std::size_t i = 0; i < 9; ++i) seen.gram[9 + i] = i % 4 == 0;  // group 0: equal; group 1: orthogonal
  std::vector<float> const zeros(6 * 3 * 4);
  auto const list = only_softmax();
  figures f;
  row_measures(o, plan, seen, list[0], 0, 6)
      .measure(contiguous(zeros.data(), 1, 6, 3, 4), contiguous(zeros.data(), 1, 2, 3, 4), 0, f);
  REQUIRE(f.distances.size() == 6);                              // rows of 2 and of 3 keys, weights 1/2 and 1/3
  for (auto const& d : f.distances) {
    double const alike = (0 + 0) / 2.0, apart = (std::sqrt(0.5) + 2 * std::sqrt(2.0 / 9)) / 2;
    CHECK(d.true_a == Approx(d.index.head < 3 ? alike : apart).margin(1e-6));
  }
}

TEST_CASE("the first rows of a measurement equal those of a shorter text", "[property][limits]") {
  auto o = small_options();
  by_hand hand(o);
  auto const whole = measure(hand.s, hand.tokens, only_softmax(), o, [] {});
  o.lengths = {6};
  hand.tokens.resize(6);
  auto const part = measure(hand.s, hand.tokens, only_softmax(), o, [] {});
  for (auto const& d : part.distances)
    for (auto const& e : whole.distances)
      if (e.length == 6 && d.n == e.n && d.index.layer == e.index.layer && d.index.head == e.index.head)
        CHECK(d.true_a == Approx(e.true_a).epsilon(1e-5));
}

TEST_CASE("every fourth row only is measured where options request it", "[unit][limits]") {
  auto o = small_options();
  o.every = 4;
  by_hand hand(o);
  auto const f = measure(hand.s, hand.tokens, only_softmax(), o, [] {});
  for (auto const& m : f.monitors) CHECK(m.rows == (m.length == 17 ? 4 : 1));
  for (auto const& m : f.monitors) {
    auto const w = softmax_of(hand.scores(m.index.layer, m.index.head, 3));
    if (m.length == 6) CHECK(m.max_weight == Approx(*std::ranges::max_element(w)).epsilon(1e-5));
  }
}

TEST_CASE("every normalizer of the list has figures", "[property][limits]") {
  auto o = small_options();
  o.critical = critical_search::on;
  by_hand hand(o);
  auto const list = all_candidates({64});
  auto const f = measure(hand.s, hand.tokens, list, o, [] {});
  CHECK(f.monitors.size() == list.size() * 2 * 4 * 2);
  CHECK(f.criticals.size() == list.size() * 2 * 4);
  for (auto const& d : f.distances)
    CHECK((std::isfinite(d.true_a) && std::isfinite(d.formula) && std::isfinite(d.bound)));
  for (auto const& s : f.sensitivities) CHECK(std::isfinite(s.mean));
}

TEST_CASE("the Gram matrix is that of the requested embeddings", "[unit][limits]") {
  auto o = small_options();
  by_hand hand(o);
  for (auto const of : {embedding::token, embedding::hidden, embedding::value}) {
    o.of = of;
    auto const f = measure(hand.s, hand.tokens, only_softmax(), o, [] {});
    CHECK(f.geometries.size() == (of == embedding::token ? 1u : of == embedding::hidden ? 2u : 8u));
    if (of != embedding::hidden) continue;                       // the first layer reads the token embeddings
    double cosine = 0;
    for (std::size_t i = 0; i < hand.x.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) cosine += dot(hand.x[i], hand.x[j]) / (17 * 16 / 2.0);
    CHECK(f.geometries[0].mean_cosine == Approx(cosine).epsilon(1e-5));
  }
}

TEST_CASE("an exception in a row is thrown again by the measurement", "[unit][limits]") {
  auto const o = small_options();
  by_hand hand(o);
  auto list = only_softmax();
  list[0].gains = [](auto...) { throw value_error("basin: no"); };
  CHECK_THROWS_AS(measure(hand.s, hand.tokens, list, o, [] {}), value_error);
}

TEST_CASE("rows are spread evenly and end at the last one", "[unit][limits]") {
  CHECK(spread_evenly(10, 3) == std::vector<index_t>{2, 5, 9});
  CHECK(spread_evenly(3, 10) == std::vector<index_t>{0, 1, 2});
  CHECK(spread_evenly(0, 4).empty());
  auto o = small_options();
  o.every = 4;
  row_plan const plan(o);
  CHECK(plan.rows == std::vector<index_t>{3, 7, 11, 15});
  CHECK(plan.slot_of(7) == 1);
  CHECK(plan.slot_of(8) == -1);
  o.every = 100;
  CHECK(row_plan(o).rows == std::vector<index_t>{16});
}

}  // namespace basin::limits
