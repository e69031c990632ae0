// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/any_normalizer.hpp and lm/policies/any_law.hpp: a normalizer that is chosen at run time computes what it
// computes when it is compiled in, for every head on its own, forward and backward.
#include "basin/cpu/any_normalizer.hpp"
#include "families.hpp"
#include "support/calls.hpp"

namespace basin_test {

namespace {

namespace lm = basin::lm;
using basin::cpu::any_normalizer;
using pointers = std::vector<basin::cpu::detail::normalizer_base const*>;

shape const some{2, 4, 2, 37, 70, 12, 5, layout::padded, layout::length_first};

/// Normalizers by name, as an engine takes them.
struct by_name {
  std::vector<basin::cpu::held_normalizer> held;
  pointers heads;

  explicit by_name(std::vector<std::string> const& texts, lm::registry const& from = all_normalizers_by_name(),
                   lm::learned_memory const& memory = {}) {
    for (auto const& text : texts) held.push_back(from.find(text)->make(memory));
    for (auto const& one : held) heads.push_back(one.get());
  }
  any_normalizer normalizer() const { return {heads.data(), static_cast<index_t>(heads.size())}; }
};

auto with(any_normalizer n) { return basin::attention<>{}.with(basin::causal{}).with(bent{}).with(n); }

template <class T, class Use>
void run_forward(Use const& use, call<T>& c) { basin::cpu::forward(use, c.q.v, c.k.v, c.v.v, c.out.v); }
template <class T, class Use> void run_backward(Use const& use, call<T>& c) {
  basin::cpu::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
}

/// Against the reference, which takes rows one by one in double.
/// Of a call of the shape `some` that has been run.
template <class T>
call_tolerances tolerances(call<T> const& here) {
  auto m = here.magnitudes();
  m.steep = 4;                                                   // laws of length: c <= 4 for these rows
  m.support = static_cast<double>(some.keys);
  m.bend = 4;
  return tolerances_of<T>(some, m);
}

template <class T>
void compare_with_reference(std::string const& text) {
  by_name const one({text}, normalizers_of<T>());
  auto const use = with(one.normalizer());
  call<T> here(some);
  call<double> exact(some);
  exact.copy_inputs(here);
  run_forward(use, here), run_backward(use, here);
  basin::reference::forward(use, exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v, exact.dv.v);
  auto const most = tolerances(here);
  CAPTURE(text);
  CHECK(here.outputs_are_whole());
  CHECK(here.gradients_are_whole());
  CHECK(distance(here.out, exact.out) <= most.out);
  CHECK(distance(here.dq, exact.dq) <= most.dq);
  CHECK(distance(here.dk, exact.dk) <= most.dk);
  CHECK(distance(here.dv, exact.dv) <= most.dv);
}

}  // namespace

TEMPLATE_TEST_CASE("every normalizer by name agrees with the reference, alone and scaled by length",
                   "[parity][policies]", float, double) {
  for (auto const& name : normalizers_of<TestType>().names())
    for (char const* const law : {"", "*log_n:trained=8", "*asentmax"}) compare_with_reference<TestType>(name + law);
}

// Not always the same bits: a compiler may fuse other multiply-adds in the two instantiations (g++ 12 at -Og does).
TEST_CASE("a normalizer by name gives what the same type compiled in gives, to rounding", "[parity][policies]") {
  auto const same = [](auto const& n, std::string const& text) {
    by_name const one({text});
    call<float> typed(some), named(some);
    auto const use = basin::attention<>{}.with(basin::causal{}).with(bent{}).with(n);
    run_forward(use, typed), run_backward(use, typed);
    run_forward(with(one.normalizer()), named), run_backward(with(one.normalizer()), named);
    CAPTURE(text);
    auto const most = tolerances(typed);
    CHECK(distance(typed.out, named.out) <= most.out);
    CHECK(distance(typed.dq, named.dq) <= most.dq);
    CHECK(distance(typed.dk, named.dk) <= most.dk);
    CHECK(distance(typed.dv, named.dv) <= most.dv);
  };
  same(basin::entmax15{}, "entmax15");
  same(basin::top_k{5}, "top_k:k=5");
  same(basin::length_scaled<basin::sigmoid, basin::yarn>{{-1}, {2}}, "sigmoid:bias=-1*yarn:factor=2");
}

TEST_CASE("heads have normalizers of their own", "[parity][policies]") {
  std::vector<std::string> const names{"softmax", "entmax15", "top_k:k=3", "sigmoid"};
  call<float> mixed(some);
  run_forward(with(by_name(names).normalizer()), mixed), run_backward(with(by_name(names).normalizer()), mixed);
  for (std::size_t h = 0; h < names.size(); ++h) {
    call<float> alone(some);
    by_name const one({names[h]});
    run_forward(with(one.normalizer()), alone), run_backward(with(one.normalizer()), alone);
    for (index_t b = 0; b < some.batch; ++b)
      for (index_t i = 0; i < some.queries; ++i) {
        for (index_t d = 0; d < some.value_dim; ++d)
          REQUIRE(same_bits(mixed.out.v(b, h, i, d), alone.out.v(b, h, i, d)));
        for (index_t d = 0; d < some.dim; ++d) REQUIRE(same_bits(mixed.dq.v(b, h, i, d), alone.dq.v(b, h, i, d)));
      }
  }
}

TEST_CASE("gradients of learned numbers, one a head, are finite differences of the loss", "[property][policies]") {
  shape const s{2, 4, 2, 5, 9, 6, 3};
  for (char const* const text :
       {"sink_logit:learned,logit=0.5", "entmax:learned,alpha=1.4", "ssmax:learned,s=0.4",
        "asentmax:learned,beta=0.5,gamma=0.7", "entmax:learned,alpha=1.4*asentmax:learned,beta=0.5,gamma=0.7"}) {
    auto const recipe = normalizers_in_double().find(text);
    auto const count = static_cast<index_t>(recipe->learned().size());
    std::vector<float> values(static_cast<std::size_t>(count * s.heads));
    for (index_t n = 0; n < count; ++n)
      for (index_t h = 0; h < s.heads; ++h)
        values[static_cast<std::size_t>(n * s.heads + h)] = static_cast<float>(
            recipe->learned()[static_cast<std::size_t>(n)].initial + 0.0625 * static_cast<double>(h));
    std::vector<double> rows(
        static_cast<std::size_t>(basin::cpu::any_normalizer::parameters * s.batch * s.heads * s.queries));
    auto const gradients =
        basin::contiguous(rows.data(), basin::cpu::any_normalizer::parameters, s.batch, s.heads, s.queries);
    lm::learned_memory memory{{}, gradients};
    for (index_t n = 0; n < count; ++n)
      memory.values.push_back(basin::contiguous(std::as_const(values).data() + n * s.heads, s.heads));
    call<double> c(s, numbers::normal, 3);
    auto const held = recipe->make(memory);
    pointers const heads{held.get()};
    auto const use = with({heads.data(), 1});
    run_backward(use, c);
    auto const loss = [&] {
      run_forward(use, c);
      double sum = 0;
      c.out.each([&](double x, index_t b, index_t h, index_t i, index_t d) { sum += x * c.dout.v(b, h, i, d); });
      return sum;
    };
    for (index_t n = 0; n < count; ++n)
      for (index_t h = 0; h < s.heads; ++h) {
        float& x = values[static_cast<std::size_t>(n * s.heads + h)];
        float const before = x, above = before + 0x1p-15f, below = before - 0x1p-15f;
        x = above;
        double const up = loss();
        x = below;
        double const slope = (up - loss()) / (static_cast<double>(above) - static_cast<double>(below));
        x = before;
        double const sum = basin::parameter_gradients{gradients}.sum(recipe->learned()[static_cast<std::size_t>(n)].row,
                                                                     static_cast<int>(h));
        CAPTURE(text, n, h, slope);
        CHECK(std::fabs(sum - slope) <=
              1e-5 * (1 + std::fabs(slope)));  // steps of 3e-5: supports of entmax change by few keys
      }
  }
}

TEST_CASE("observers are given what they are given when the normalizer is compiled in",
          "[parity][policies][observer]") {
  by_name const one({"entmax15"});
  auto const plain = basin::attention<>{}.with(basin::causal{});
  call<float> typed(some), named(some);
  reports seen(some), expected(some);
  run_forward(plain.with(basin::entmax15{}).with(expected.watch_all()), typed);
  run_forward(plain.with(one.normalizer()).with(seen.watch_all()), named);
  for (auto const numbers : {&reports::received, &reports::squares, &reports::nats, &reports::heaviest})
    for (std::size_t i = 0; i < (expected.*numbers).size(); ++i)
      REQUIRE((seen.*numbers)[i] == Approx((expected.*numbers)[i]).epsilon(1e-5).margin(1e-6));
}

TEST_CASE("a normalizer chosen at run time refuses calls that it cannot serve", "[unit][policies][errors]") {
  call<double> c(some);
  by_name const two({"softmax", "sigmoid"}, normalizers_in_double());
  CHECK_THROWS_WITH(run_forward(with(two.normalizer()), c),
                    ContainsSubstring("there are 2 normalizers for 4 heads; give one, or one a head"));
  CHECK_THROWS_WITH(run_forward(with({}), c), ContainsSubstring("there are 0 normalizers for 4 heads"));
  pointers const none{nullptr};
  CHECK_THROWS_WITH(run_forward(with({none.data(), 1}), c), ContainsSubstring("head 0 has no normalizer"));
  auto const held = basin::cpu::hold<float>(basin::softmax{});
  pointers const in_float{held.get()};
  CHECK_THROWS_WITH(run_forward(with({in_float.data(), 1}), c), ContainsSubstring("not held for calls in double"));
  auto const cold = basin::cpu::hold<double>(basin::softmax{-1});
  pointers const bad{cold.get()};
  CHECK_THROWS_WITH(run_forward(with({bad.data(), 1}), c), ContainsSubstring("basin::softmax: temperature is -1"));
  CHECK(c.out.untouched());
}

}  // namespace basin_test
