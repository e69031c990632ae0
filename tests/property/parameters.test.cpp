// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers concepts/parameters.hpp, the learned parameters of every file of normalize/, and their gradients in the
// backward passes of reference and cpu.
#include "property/finite_differences.hpp"
#include "support/parameters.hpp"

namespace basin_test {

namespace {

shape const small{2, 4, 2, 3, 7, 3, 2};

/// Memory for the gradients of one call, filled with NaN: a row that is not written, or only added to, shows in a sum.
struct gradient_room {
  std::vector<double> values;
  basin::parameter_gradients view;
  gradient_room(int parameters, shape const& s)
      : values(static_cast<std::size_t>(parameters * s.batch * s.heads * s.queries), nan),
        view{basin::contiguous(values.data(), parameters, s.batch, s.heads, s.queries)} {}
  double sum(int which) const {
    double total = 0;
    for (int h = 0; h < view.rows.extent(2); ++h) total += view.sum(which, h);
    return total;
  }
};

/// Compares the reference's gradient of every learned parameter with central differences of its loss.
template <class Case>
void compare_with_differences(Case const& c) {
  constexpr int count = std::tuple_size_v<decltype(c.numbers)>;
  gradient_room room(count, small);
  call<double> data(small, numbers::normal, 3);
  auto const use = [&](auto const& values, auto gradients) {
    return basin::attention<>{}.with(c.make(values, gradients)).with(basin::causal{});
  };
  basin::reference::backward(use(c.numbers, room.view), data.q.v, data.k.v, data.v.v, data.dout.v, data.dq.v, data.dk.v,
                             data.dv.v);
  for (int n = 0; n < count; ++n) {
    auto up = c.numbers, down = c.numbers;
    double const h = 0x1p-16;
    up[static_cast<std::size_t>(n)] += h;
    down[static_cast<std::size_t>(n)] -= h;
    double const slope = (loss_of(use(up, basin::parameter_gradients{}), data) -
                          loss_of(use(down, basin::parameter_gradients{}), data)) /
                         (2 * h);
    CAPTURE(c.name, n);
    CHECK(std::fabs(slope) > 1e-4);                              // large enough for a comparison
    CHECK(std::fabs(room.sum(n) - slope) <= 1e-7);               // h^2 f''' / 6 + eps / h, f''' < 1e3
  }
}

/// Compares the cpu engine's gradients with the reference's, row by row. `c.scale` bounds the factor of ds_j in the
/// gradient of a parameter.
template <class T, class Case>
void compare_with_reference(Case const& c, shape const& s) {
  constexpr int count = std::tuple_size_v<decltype(c.numbers)>;
  gradient_room seen(count, s), expected(count, s);
  call<T> here(s);
  call<double> exact(s);
  auto const use = [&](gradient_room const& room) {
    return basin::attention<>{}.with(c.make(c.numbers, room.view)).with(basin::causal{}).with(bent{});
  };
  basin::reference::backward(use(expected), exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v,
                             exact.dv.v);
  basin::cpu::backward(use(seen), here.q.v, here.k.v, here.v.v, here.dout.v, here.dq.v, here.dk.v, here.dv.v);
  auto m = here.magnitudes();
  m.steep = c.steep;
  m.support = static_cast<double>(s.keys);
  double const per_key = std::sqrt(static_cast<double>(s.dim)) / m.k;  // dq = scale sum_j ds_j k_j
  INFO(c.name << " " << description(s));
  for (double const x : seen.values) REQUIRE(std::isfinite(x));  // also in a row of one key, whose scale is 0
  CHECK(distance(seen.values, expected.values) <= tolerances_of<T>(s, m).dq * per_key * c.scale);
}

}  // namespace

TEST_CASE("gradients of learned parameters agree with finite differences of the reference's loss",
          "[property][parameters]") {
  for_each_case(learned_normalizers(), [](auto const& c) { compare_with_differences(c); });
}

TEMPLATE_TEST_CASE("gradients of learned parameters on the cpu agree with the reference", "[parity][parameters]", float,
                   double) {
  for_each_case(learned_normalizers(), [](auto const& c) {
    compare_with_reference<TestType>(c, {2, 4, 2, 5, 37, 16, 3, layout::padded, layout::length_first});
    compare_with_reference<TestType>(c, {1, 2, 1, 21, 9, 16, 5});  // some rows have no visible keys
  });
}

TEST_CASE("per_head reads one number for each head, shares it at stride 0, and refuses too few", "[unit][parameters]") {
  float const numbers[] = {0.5f, -1.0f, 2.0f};
  basin::per_head const own{9, basin::contiguous(numbers, 3)},
      shared{9, basin::strided(numbers, std::array<index_t, 1>{3}, std::array<index_t, 1>{0})};
  CHECK(basin::per_head{9}(2) == 9);
  CHECK(own(2) == 2);
  CHECK(shared(2) == 0.5);
  basin::problem const call{1, 4, 4, 2, 5, 3, 3};
  CHECK_NOTHROW(basin::per_head{9}.validate("who", "numbers", call));
  CHECK_THROWS_WITH(own.validate("who", "numbers", call),
                    "who: numbers has 3 values but the call has 4 heads; give one a head, or a view of stride 0");
}

TEST_CASE("memory for gradients of another shape is refused before anything is written", "[unit][errors][parameters]") {
  shape const s{2, 4, 2, 3, 7, 3, 2};
  call<double> c(s);
  gradient_room room(2, {1, 4, 2, 3, 7, 3, 2});
  auto const use = basin::attention<>{}.with(tilted_square{{1.0}, 0.5, room.view});
  char const* const said =
      "tilted_square: gradients is [2, 1, 4, 3] but the call has [parameters, batch, heads, queries] = [2, 2, 4, 3]";
  CHECK_THROWS_WITH(basin::reference::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v), said);
  CHECK_THROWS_WITH(basin::cpu::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v), said);
  CHECK(c.dq.untouched());
}

TEST_CASE("normalizers without learned parameters have no cost for them", "[static][parameters]") {
  STATIC_REQUIRE(sizeof(basin::length_scaled<basin::softmax>::row<float>) ==
                 sizeof(basin::softmax::row<float>) + sizeof(float));
  STATIC_REQUIRE(!basin::has_parameters<basin::softmax>);
  STATIC_REQUIRE(!basin::has_parameters<basin::length_scaled<basin::softmax>>);
}

}  // namespace basin_test
