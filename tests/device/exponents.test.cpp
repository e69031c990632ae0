// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cuda/detail/query_rows.hpp, exponent_rows.hpp, state_rows.hpp and concepts/normalizer.hpp (exponent):
// unnormalised weights from products, by one multiply-add and one exponential.
#include "basin/basin.hpp"
#include "device/host_engine.hpp"
#include "parity/policies.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

/// The scores of `scaled` under another type, so that weights are computed from scores.
struct by_scores {
  basin::scaled inner{};
  template <class T>
  T score(T dot, basin::pair_at<T> at) const { return inner.score(dot, at); }
  template <class T>
  T slope(T dot, basin::pair_at<T> at) const { return inner.slope(dot, at); }
};
static_assert(basin::scorer<by_scores> && !basin::linear_scorer<by_scores>);

/// A scaling law with a negative factor for every other head, and a factor of 0 for head 2.
struct uneven_law {
  using starts_uncounted = std::true_type;
  template <class T>
  T scale(basin::row_context<T> const& context) const {
    return context.head == 2 ? T(0) : context.head % 2 == 0 ? T(1.5) : T(-0.5);
  }
};

/// A score function that hides pairs itself: scores of -inf in a fully visible tile.
struct hides_odd_keys {
  template <class T>
  T score(T dot, basin::pair_at<T> at) const {
    T const half = at.key * T(0.5f);
    return basin::math::select(half == basin::math::floor(half), dot * T(0.25f), basin::math::minus_inf<T>());
  }
  template <class T>
  T slope(T, basin::pair_at<T>) const { return T(0.25f); }
};

/// A score function that gives the first keys very low scores, as code without a mask does.
struct sinks_first_keys {
  float down = -1e30f;
  int keys = 16;
  template <class T>
  T score(T dot, basin::pair_at<T> at) const {
    return basin::math::select(at.key < T(static_cast<float>(keys)), T(down), dot * T(0.25f));
  }
  template <class T>
  T slope(T, basin::pair_at<T>) const { return T(0.25f); }
};

shape const several[] = {{1, 4, 2, 19, 50, 16, 8}, {1, 3, 1, 3, 33, 16, 5, layout::padded}, {1, 3, 3, 40, 32, 16, 16}};

}  // namespace

TEST_CASE("decreasing and constant score functions agree with the reference", "[device]") {
  using uneven = basin::length_scaled<basin::softmax, uneven_law>;
  basin::attention<> const full;
  for (shape const& s : several)
    for (float const scale : {-0.5f, 1e-45f, 2.0f}) {
      INFO("scale " << scale);
      auto const use = full.with(basin::scaled{scale});
      auto const causal_by_scores = full.with(by_scores{{scale}}).with(basin::causal{});
      compare_observed<float>(use, s, numbers::grid, 8, on_host);
      compare_observed<float>(use.with(basin::causal{}).with(basin::softmax_n{0.5}), s, numbers::grid, 8, on_host);
      compare_observed<float>(use.with(basin::causal{}).with(uneven{}), s, numbers::grid, 12, on_host);
      compare_observed<float>(causal_by_scores.with(uneven{}), s, numbers::grid, 12, on_host);
    }
}

TEST_CASE("a score of -inf in a fully visible tile gives a weight of 0", "[device]") {
  for (shape const& s : several) {
    auto const use = basin::attention<>{}.with(hides_odd_keys{});
    compare_observed<float>(use, s, numbers::grid, 1, on_host);
    compare_observed<float>(use.with(basin::length_scaled<basin::softmax, uneven_law>{}), s, numbers::grid, 2, on_host);
    compare_observed<float>(use.with(basin::softpick{}), s, numbers::grid, 1, on_host);
    compare_observed<float>(use.with(basin::sparsemax{}), s, numbers::grid, 1, on_host);
  }
}

TEST_CASE("very low finite scores have no weight beside others, and alone they count as hidden", "[device]") {
  shape const s{1, 2, 1, 5, 40, 16, 8};
  for (float const down : {-1e4f, -1e9f, -1e20f, -1e30f}) {
    INFO("scores of " << down);
    compare_observed<float>(basin::attention<>{}.with(sinks_first_keys{down}), s, numbers::grid, 1, on_host);
    call<float> alone(s);
    on_host(basin::attention<>{}.with(sinks_first_keys{down, 64}), alone);
    alone.out.each([&](float x, index_t, index_t, index_t, index_t) {
      REQUIRE((std::isfinite(x) && (down > -1e8f || x == 0)));
    });
  }
}

TEST_CASE("weights from products and weights from scores agree to rounding", "[device]") {
  shape const s{1, 2, 1, 40, 70, 16, 16};
  call<float> straight(s), around(s);
  on_host(basin::attention<>{}.with(basin::causal{}), straight);
  on_host(basin::attention<>{}.with(basin::causal{}).with(by_scores{}), around);
  CHECK(distance(straight.out, around.out) <= 2 * tolerances_of<float>(s, straight.magnitudes()).out);
}

TEST_CASE("a NaN or an infinity in k affects only the rows to which it is visible", "[device]") {
  for (float const bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    shape const s{1, 1, 1, 40, 40, 16, 16};
    call<float> clean(s), spoilt(s);
    spoilt.q.v(0, 0, 35, 0) = clean.q.v(0, 0, 35, 0) = 1.0f;
    spoilt.k.v(0, 0, 35, 0) = bad;
    auto const use = basin::attention<>{}.with(basin::causal{});
    on_host(use, clean);
    on_host(use, spoilt);
    for (index_t i = 0; i < 35; ++i)
      for (index_t d = 0; d < 16; ++d) REQUIRE(spoilt.out.v(0, 0, i, d) == clean.out.v(0, 0, i, d));
    CHECK(std::isnan(spoilt.out.v(0, 0, 35, 3)));
  }
}

}  // namespace basin_test
