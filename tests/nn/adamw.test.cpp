// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers nn/parameter.hpp, nn/adamw.hpp and nn/schedule.hpp
#include <omp.h>

#include <array>

#include "basin/nn/adamw.hpp"
#include "basin/nn/schedule.hpp"
#include "nn/gradients.hpp"

namespace basin {

using basin_test::Approx;
using nn_test::random_values;

namespace {

template <class T>
struct model {
  std::vector<T> values, gradient;
  std::vector<nn::parameter<T>> parameters;

  model(std::vector<T> v, std::vector<T> g, std::vector<index_t> shape) : values(std::move(v)), gradient(std::move(g)) {
    parameters.push_back({"w", std::move(shape), values, gradient});
  }
};

}  // namespace

TEST_CASE("the first step moves every weight by the rate against the sign of its gradient", "[unit][nn]") {
  // after bias correction m^ = g and v^ = g^2, so the step is rate g / (|g| + epsilon)
  model<double> m({1, 2, 3}, {0.5, -0.001, 0}, {3});
  nn::adamw_state<double> state;
  nn::adamw(nn::host{}, m.parameters, state, 0.1, {.epsilon = 1e-12, .weight_decay = 0, .clip = 1e9});
  CHECK(m.values[0] == Approx(0.9));
  CHECK(m.values[1] == Approx(2.1));
  CHECK(m.values[2] == 3.0);
}

TEST_CASE("three steps agree with the algorithm written out by hand", "[unit][nn]") {
  std::array<double, 3> const gradients{0.3, -0.2, 0.7};
  double w = 1.5, first = 0, second = 0;
  model<double> m({w}, {0}, {1, 1});
  nn::adamw_state<double> state;
  for (int t = 1; t <= 3; ++t) {
    double const g = gradients[t - 1];
    first = 0.9 * first + 0.1 * g;
    second = 0.95 * second + 0.05 * g * g;
    w -= 0.01 * 0.1 * w;
    w -= 0.01 * (first / (1 - std::pow(0.9, t))) / (std::sqrt(second / (1 - std::pow(0.95, t))) + 1e-8);
    m.gradient[0] = g;
    nn::adamw_options const options{.beta2 = 0.95, .weight_decay = 0.1, .clip = 1e9};
    double const norm = nn::adamw(nn::host{}, m.parameters, state, 0.01, options);
    CHECK(norm == Approx(std::abs(g)));
    CHECK(m.values[0] == Approx(w).epsilon(1e-13));
  }
  CHECK(state.steps == 3);
}

TEST_CASE("weight decay applies to matrices and not to vectors", "[unit][nn]") {
  model<double> matrix({2.0}, {0.0}, {1, 1}), vector({2.0}, {0.0}, {1});
  nn::adamw_state<double> a, b;
  nn::adamw(nn::host{}, matrix.parameters, a, 0.1, {.weight_decay = 0.5});
  nn::adamw(nn::host{}, vector.parameters, b, 0.1, {.weight_decay = 0.5});
  CHECK(matrix.values[0] == Approx(2.0 * 0.95));
  CHECK(vector.values[0] == 2.0);
}

TEST_CASE("clipping scales the whole gradient to the given norm", "[unit][nn]") {
  model<double> m({0, 0}, {30, 40}, {2});
  nn::adamw_state<double> state;
  CHECK(nn::adamw(nn::host{}, m.parameters, state, 0.1, {.clip = 5}) == Approx(50));
  CHECK(state.first[0] == Approx(0.1 * 3));
  CHECK(state.first[1] == Approx(0.1 * 4));
}

TEST_CASE("a step has the same bits for any number of threads, and from a copied state", "[property][nn]") {
  std::size_t const n = 100003;
  auto const run = [&](int threads) {
    omp_set_num_threads(threads);
    model<float> m(random_values<float>(1, n), random_values<float>(2, n), {static_cast<index_t>(n), 1});
    nn::adamw_state<float> state;
    for (int t = 0; t < 3; ++t) {
      nn::adamw_state<float> resumed = state;  // as a checkpoint does
      nn::adamw(nn::host{}, m.parameters, resumed, 1e-3);
      state = resumed;
    }
    return m.values;
  };
  int const before = omp_get_max_threads();
  auto const one = run(1);
  CHECK(run(2) == one);
  CHECK(run(3) == one);
  omp_set_num_threads(before);
}

TEST_CASE("a step with invalid arguments changes nothing", "[unit][nn]") {
  model<double> m({1, 2}, {0.5, std::numeric_limits<double>::quiet_NaN()}, {2});
  nn::adamw_state<double> state;
  CHECK_THROWS_AS(nn::adamw(nn::host{}, m.parameters, state, 0.1), value_error);
  m.gradient[1] = 0.5;
  CHECK_THROWS_AS(nn::adamw(nn::host{}, m.parameters, state, -0.1), value_error);
  CHECK_THROWS_AS(nn::adamw(nn::host{}, m.parameters, state, 0.1, {.beta1 = 1.0}), value_error);
  CHECK_THROWS_AS(nn::adamw(nn::host{}, m.parameters, state, 0.1, {.clip = 0}), value_error);
  state = {.steps = 4, .first = {1}, .second = {1}};
  CHECK_THROWS_AS(nn::adamw(nn::host{}, m.parameters, state, 0.1), shape_error);
  CHECK(state.steps == 4);
  CHECK(m.values == std::vector<double>{1, 2});
}

TEST_CASE("clear_gradients sets gradients to 0, and parameter_count counts numbers", "[unit][nn]") {
  model<double> m({1, 2}, {3, 4}, {2});
  CHECK(nn::parameter_count(m.parameters) == 2);
  nn::clear_gradients(m.parameters);
  CHECK(m.gradient == std::vector<double>{0, 0});
}

TEST_CASE("schedules rise, stay and fall at the given steps", "[unit][nn]") {
  nn::warmup_cosine const cosine{.peak = 1.0, .last = 0.1, .warmup = 4, .total = 104};
  CHECK(cosine(0) == Approx(0.25));
  CHECK(cosine(3) == Approx(1.0));
  CHECK(cosine(4) == Approx(1.0));
  CHECK(cosine(103) == Approx(0.1));
  CHECK(cosine(1000) == Approx(0.1));
  CHECK((cosine(53) + cosine(54)) / 2 == Approx(0.55));  // half way: the mean of peak and last
  nn::warmup_stable_decay const wsd{.peak = 2.0, .last = 1.0, .warmup = 10, .decay = 10, .total = 100};
  CHECK(wsd(4) == Approx(1.0));
  CHECK(wsd(10) == 2.0);
  CHECK(wsd(89) == 2.0);
  CHECK(wsd(90) == Approx(1.9));
  CHECK(wsd(99) == Approx(1.0));
  CHECK_THROWS_AS((nn::warmup_stable_decay{.warmup = 60, .decay = 60, .total = 100}(0)), value_error);
  CHECK_THROWS_AS((nn::warmup_cosine{.peak = -1}(0)), value_error);
}

}  // namespace basin
