// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers theory/observers.hpp: figures of every row of a call against softmax in plain loops and the functions of one
// set; invalid arguments.
#include "basin/theory/observers.hpp"
#include "basin/theory/saturation.hpp"
#include "support/calls.hpp"
#include "support/rows.hpp"
#include "support/texts.hpp"

namespace basin_test {

namespace theory = basin::theory;
using column = std::vector<double>;
using basin::row_at;
using theory::apart_figure, theory::distance_figure;

namespace {

shape const observed_shape{2, 4, 2, 11, 17, 8, 3};
std::vector<index_t> const observed_counts{1, 3, 9};
column const observed_temperatures{0.3, 2.0}, observed_steps{1e-2, 1.0};

/// Two texts, and memory for all figures.
struct figures_of_a_call {
  shape s = observed_shape;
  text first{17, 6, 1, 0.5}, second{17, 6, 2};
  column grams, distances, shares, extremes, gains;

  figures_of_a_call() {
    first.onto_sphere();
    second.onto_sphere();
    grams = first.gram;
    grams.insert(grams.end(), second.gram.begin(), second.gram.end());
    std::size_t const rows = static_cast<std::size_t>(s.batch * s.heads * s.queries);
    distances.assign(rows * 9 * 3, -77);
    shares.assign(rows * 7 * 3, -77);
    extremes.assign(rows * 3, -77);
    gains.assign(rows * 4, -77);
  }
  basin::view<double const, 3> texts() const { return basin::contiguous(grams.data(), 2, 17, 17); }
  text const& of(index_t batch) const { return batch == 0 ? first : second; }
  auto observe_distances() {
    return theory::distances<double>{texts(), observed_counts,
                                     basin::contiguous(distances.data(), 9, 3, s.batch, s.heads, s.queries)};
  }
  auto observe_shares() {
    auto const figures = basin::contiguous(shares.data(), 7, 3, s.batch, s.heads, s.queries);
    return theory::told_apart_shares<double>{texts(), observed_counts, {1, 0.2, 6}, figures};
  }
  auto observe_extremes() {
    return theory::extremes{basin::contiguous(extremes.data(), 3, s.batch, s.heads, s.queries)};
  }
  auto observe_gains() {
    auto const figures = basin::contiguous(gains.data(), 2, 2, s.batch, s.heads, s.queries);
    return theory::sensitivity<basin::softmax>{{}, observed_temperatures, observed_steps, 5, figures};
  }
  auto all() {
    return basin::together(observe_distances(), observe_shares(), basin::together(observe_extremes(), observe_gains()));
  }
};

/// One row of softmax in plain loops: its visible keys, their scores and weights.
struct plain_row {
  std::vector<index_t> keys;
  column scores, weights;
};

template <class Mask>
plain_row row_by_hand(call<double> const& c, Mask const& mask, int b, int h, index_t i) {
  plain_row r;
  double total = 0;
  for (index_t j = 0; j < c.s.keys; ++j) {
    if (!mask.allows(basin::coord{b, h, i + c.s.keys - c.s.queries, j})) continue;
    double dot = 0;
    for (index_t d = 0; d < c.s.dim; ++d) dot += c.q.v(b, h, i, d) * c.k.v(b, h / (c.s.heads / c.s.kv_heads), j, d);
    r.keys.push_back(j);
    r.scores.push_back(dot / std::sqrt(static_cast<double>(c.s.dim)));
    r.weights.push_back(std::exp(r.scores.back()));
    total += r.weights.back();
  }
  for (double& w : r.weights) w /= total;
  return r;
}

/// Compares figures; a NaN equals a NaN.
struct comparison {
  double tolerance;
  void operator()(double found, double expected) const {
    bool const same =
        std::isnan(expected) ? std::isnan(found) : std::fabs(found - expected) <= tolerance * (1 + std::fabs(expected));
    if (same) return;
    CAPTURE(found, expected);
    FAIL_CHECK("a figure differs");
  }
};

void compare_distances(figures_of_a_call& seen, plain_row const& r, row_at at, comparison near) {
  std::span<double const> const w(r.weights);
  theory::seen_gram<double> const gram{seen.of(at.batch).products(), r.keys};
  for (index_t n = 0; n < 3; ++n) {
    index_t const count = observed_counts[static_cast<std::size_t>(n)];
    auto const figure = [&](distance_figure f) {
      return seen.observe_distances().figures(static_cast<index_t>(f), n, at.batch, at.head, at.query);
    };
    if (static_cast<index_t>(r.keys.size()) < count) {
      near(figure(distance_figure::a), nan);
      near(figure(distance_figure::upper), nan);
      continue;
    }
    auto const top = theory::strongest(w, count);
    auto const e = theory::random_selection(w, gram).of(count);
    near(figure(distance_figure::mass), theory::split_of(w, gram, top).inside);
    near(figure(distance_figure::a), theory::true_distance(theory::reading::a, w, gram, top));
    near(figure(distance_figure::b), theory::true_distance(theory::reading::b, w, gram, top));
    near(figure(distance_figure::c), theory::true_distance(theory::reading::c, w, gram, top));
    near(figure(distance_figure::bound),
         theory::distance_bound(theory::reading::a, w, gram, top, theory::selection::top));
    near(figure(distance_figure::expected), e.formula);
    near(figure(distance_figure::printed), e.printed);
    near(figure(distance_figure::excess), e.excess);
    near(figure(distance_figure::upper), e.upper);
  }
}

void compare_shares(figures_of_a_call& seen, plain_row const& r, row_at at, comparison near) {
  std::span<double const> const w(r.weights);
  theory::seen_gram<double> const gram{seen.of(at.batch).products(), r.keys};
  for (index_t n = 0; n < 3; ++n) {
    index_t const count = observed_counts[static_cast<std::size_t>(n)];
    auto const figure = [&](apart_figure f) {
      return seen.observe_shares().figures(static_cast<index_t>(f), n, at.batch, at.head, at.query);
    };
    if (static_cast<index_t>(r.keys.size()) <= count) {
      near(figure(apart_figure::share), nan);
      continue;
    }
    auto const top = theory::strongest(w, count);
    auto const found = theory::tell_apart(w, gram, top);
    column chosen;
    for (auto const j : top) chosen.push_back(r.weights[static_cast<std::size_t>(j)]);
    auto const bounds = theory::bounds_of(chosen, found.radius, {1, 0.2, 6});
    near(figure(apart_figure::share), static_cast<double>(found.count) / static_cast<double>(count));
    near(figure(apart_figure::radius), found.radius);
    near(figure(apart_figure::lower), bounds.lower);
    near(figure(apart_figure::lower_count), bounds.lower_count);
    near(figure(apart_figure::upper), bounds.upper);
    near(figure(apart_figure::upper_range), bounds.upper_range);
    near(figure(apart_figure::upper_tight), bounds.upper_tight);
  }
}

void compare_extremes(figures_of_a_call& seen, plain_row const& r, row_at at, comparison near) {
  auto const figure = [&](theory::extreme_figure f) {
    return seen.observe_extremes().figures(static_cast<index_t>(f), at.batch, at.head, at.query);
  };
  bool const empty = r.keys.empty();
  double reach = empty ? nan : 0, least = empty ? nan : inf, most = empty ? nan : -inf;
  for (std::size_t j = 0; j < r.keys.size(); ++j) {
    reach = std::fmax(reach, std::fabs(r.scores[j]));
    least = std::fmin(least, r.weights[j]);
    most = std::fmax(most, r.weights[j]);
  }
  double const keys = static_cast<double>(r.keys.size());
  near(figure(theory::extreme_figure::score_range), reach);
  near(figure(theory::extreme_figure::least), least * keys);
  near(figure(theory::extreme_figure::most), most * keys);
}

void compare_gains(figures_of_a_call& seen, plain_row const& r, row_at at, comparison near) {
  auto const place = (at.batch * seen.s.heads + at.head) * seen.s.queries + at.query;
  auto const direction = theory::random_direction(r.keys.size(), 5, static_cast<std::uint64_t>(place));
  for (std::size_t t = 0; t < 2; ++t)
    for (std::size_t e = 0; e < 2; ++e)
      near(seen.observe_gains().figures(static_cast<index_t>(t), static_cast<index_t>(e), at.batch, at.head, at.query),
           theory::gain(basin::softmax{}, r.scores, direction, observed_temperatures[t], observed_steps[e],
                        context_of<double>(r.keys.size())));
}

template <class T, class Engine, class Mask>
void require_figures(Engine engine, Mask const& mask, double tolerance) {
  figures_of_a_call seen;
  call<T> observed(seen.s), plain(seen.s);
  call<double> exact(seen.s);
  engine(basin::attention<>{}.with(mask).with(seen.all()), observed);
  engine(basin::attention<>{}.with(mask), plain);
  CHECK(same_elements(observed.out, plain.out));                 // observing changes no bit
  for (int b = 0; b < seen.s.batch; ++b)
    for (int h = 0; h < seen.s.heads; ++h)
      for (index_t i = 0; i < seen.s.queries; ++i) {
        auto const r = row_by_hand(exact, mask, b, h, i);
        CAPTURE(b, h, i, r.keys.size());
        for (auto const compare : {compare_distances, compare_shares, compare_extremes, compare_gains})
          compare(seen, r, {b, h, i}, {tolerance});
      }
}

}  // namespace

TEST_CASE("observers of the theory report for every row what its functions compute", "[unit][theory][observer]") {
  auto const reference = [](auto const& use, auto& c) { basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v); };
  auto const on_cpu = [](auto const& use, auto& c) { basin::cpu::forward(use, c.q.v, c.k.v, c.v.v, c.out.v); };
  for (auto const kind :
       {chosen_mask::kind::unmasked, chosen_mask::kind::causal, chosen_mask::kind::holes, chosen_mask::kind::blindfold})
    require_figures<double>(reference, chosen_mask{kind}, 1e-9);
  require_figures<double>(on_cpu, chosen_mask{chosen_mask::kind::causal}, 1e-9);
  require_figures<double>(on_cpu, chosen_mask{chosen_mask::kind::holes}, 1e-9);
}

TEST_CASE("sensitivity may observe another normalizer than that of the attention", "[unit][theory][observer]") {
  figures_of_a_call seen;
  call<float> c(seen.s);
  auto gains =
      theory::sensitivity<basin::top_k>{{3}, observed_temperatures, observed_steps, 5, seen.observe_gains().figures};
  basin::cpu::forward(basin::attention<>{}.with(gains), c.q.v, c.k.v, c.v.v, c.out.v);
  for (double const g : seen.gains) CHECK((g >= 0 && g <= 500));  // sqrt(2) / 1e-2 = 141 bounds a jump
}

TEST_CASE("observers of the theory refuse figures, texts and lists of the wrong shape or order",
          "[unit][theory][errors]") {
  figures_of_a_call seen;
  basin::problem const p = seen.s;
  CHECK_NOTHROW(basin::validate(seen.all(), p));
  auto distances = seen.observe_distances();
  distances.figures = basin::contiguous(seen.distances.data(), 9, 3, 2, 4, 10);
  CHECK_THROWS_WITH(distances.validate(p),
                    ContainsSubstring("[9, 3, 2, 4, 10]") && ContainsSubstring("[9, 3, 2, 4, 11]"));
  distances = seen.observe_distances();
  distances.figures = basin::strided(seen.distances.data(), std::array<index_t, 5>{9, 3, 2, 4, 11},
                                     std::array<index_t, 5>{0, 88, 44, 11, 1});
  CHECK_THROWS_AS(distances.validate(p), basin::shape_error);
  distances = seen.observe_distances();
  distances.gram = basin::contiguous(seen.grams.data(), 2, 16, 16);
  CHECK_THROWS_WITH(distances.validate(p), ContainsSubstring("[2, 16, 16]"));
  std::vector<index_t> const falling{3, 1, 9};
  distances = seen.observe_distances();
  distances.counts = falling;
  CHECK_THROWS_AS(distances.validate(p), basin::value_error);
}

TEST_CASE("observers of the theory refuse radii, temperatures and steps out of range", "[unit][theory][errors]") {
  std::vector<index_t> const falling{3, 1, 9};
  figures_of_a_call seen;
  basin::problem const p = seen.s;
  auto shares = seen.observe_shares();
  shares.on.radius = 0;
  CHECK_THROWS_AS(shares.validate(p), basin::value_error);
  shares = seen.observe_shares();
  shares.figures = {};
  CHECK_THROWS_AS(shares.validate(p), basin::shape_error);
  shares = seen.observe_shares();
  shares.counts = falling;
  CHECK_THROWS_AS(shares.validate(p), basin::value_error);
  shares = seen.observe_shares();
  shares.gram = {};
  CHECK_THROWS_AS(shares.validate(p), basin::shape_error);
  auto extremes = seen.observe_extremes();
  extremes.figures = basin::contiguous(seen.extremes.data(), 2, 2, 4, 11);
  CHECK_THROWS_AS(extremes.validate(p), basin::shape_error);
  auto gains = seen.observe_gains();
  column const zero{0.0, 1.0};
  gains.temperatures = zero;
  CHECK_THROWS_AS(gains.validate(p), basin::value_error);
  gains = seen.observe_gains();
  gains.steps = zero;
  CHECK_THROWS_AS(gains.validate(p), basin::value_error);
  gains = seen.observe_gains();
  gains.normalize.temperature = -1;
  CHECK_THROWS_AS(gains.validate(p), basin::value_error);
  gains = seen.observe_gains();
  gains.steps = gains.steps.first(1);
  CHECK_THROWS_AS(gains.validate(p), basin::shape_error);
}

}  // namespace basin_test
