// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/tuning.hpp and cpu/plan.hpp: every tuning gives the same results.
#include <omp.h>

#include "basin/normalize/top_k.hpp"
#include "parity/compare.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

/// Blocks of one key and of more keys than there are, steps longer than blocks, single query tiles and larger groups
/// than there are query tiles.
basin::cpu::tuning random_cut(splitmix& rng) {
  auto const from = [&](auto const&... choices) {
    index_t const all[] = {choices...};
    return all[rng() % sizeof...(choices)];
  };
  return {.keys_per_block = from(1, 3, 8, 16, 31, 64, 128, 500),
          .keys_per_step = from(1, 2, 7, 32, 200),
          .panels_together = from(1, 2, 3, 8, 40),
          .panel_bytes = from(1, 20'000, 100'000, 1 << 20),
          .kept_bytes = from(1, 60'000, 1 << 22),
          .tasks = from(1, 2, 5, 16, 100)};
}

shape random_shape(splitmix& rng) {
  constexpr layout layouts[] = {layout::heads_first, layout::length_first, layout::padded, layout::dim_first};
  auto const up_to = [&](index_t most) { return 1 + static_cast<index_t>(rng() % static_cast<std::uint64_t>(most)); };
  index_t const kv_heads = up_to(2), heads = kv_heads * up_to(2);
  return {up_to(2), heads, kv_heads, up_to(230), up_to(300), up_to(40), up_to(40),
          layouts[rng() % 4], layouts[rng() % 4]};
}

std::string description(basin::cpu::tuning const& cut) {
  return basin::message("keys_per_block ", cut.keys_per_block, " keys_per_step ", cut.keys_per_step,
                        " panels_together ", cut.panels_together, " panel_bytes ", cut.panel_bytes, " kept_bytes ",
                        cut.kept_bytes, " tasks ", cut.tasks);
}

/// Calls f(tuning, shape) for random tunings and shapes on one thread, so that tile groups have their largest size.
template <class F>
void for_random_cuts(int draws, F&& f) {
  int const before = omp_get_max_threads();
  omp_set_num_threads(1);
  splitmix rng{20261121};
  for (int n = 0; n < draws; ++n) {
    auto const cut = random_cut(rng);
    auto const s = random_shape(rng);
    INFO(description(cut));
    f(cut, s);
  }
  omp_set_num_threads(before);
}

auto const causal = basin::attention<>{}.with(basin::causal{});

}  // namespace

TEMPLATE_TEST_CASE("forward agrees with the reference under random tunings", "[parity][cpu]", float, double) {
  for_random_cuts(60, [](auto const& cut, shape const& s) {
    auto const engine = [&](auto const& use, auto& c) { basin::cpu::forward(use, c.q.v, c.k.v, c.v.v, c.out.v, cut); };
    compare_forward<TestType>(causal, s, numbers::normal, 1, engine);
    shape even = s;
    even.dim = 16;  // scores of the grid are exact, so ties are those of the reference
    compare_forward<TestType>(causal.with(basin::top_k{9}), even, numbers::grid, 1, engine);
  });
}

TEMPLATE_TEST_CASE("backward agrees with the reference under random tunings", "[parity][cpu]", float, double) {
  for_random_cuts(40, [](auto const& cut, shape const& s) {
    compare_backward<TestType>(causal, s, numbers::normal, 1, [&](auto const& use, auto& c) {
      basin::cpu::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v, cut);
    });
  });
}

TEMPLATE_TEST_CASE("received attention agrees with the reference under random tunings", "[parity][cpu]", float,
                   double) {
  for_random_cuts(60, [](auto const& cut, shape const& s) {
    INFO(description(s));
    call<TestType> here(s);
    call<double> exact(s);
    reports seen(s), expected(s);
    basin::cpu::forward(causal.with(seen.watch_all()), here.q.v, here.k.v, here.v.v, here.out.v, cut);
    basin::reference::forward(causal.with(expected.watch_all()), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
    double const allowed = tolerances_of<TestType>(s, here.magnitudes()).received;
    CHECK(distance(seen.received, expected.received) <= allowed);
    CHECK(distance(seen.squares, expected.squares) <= 2 * allowed);
  });
}

TEST_CASE("query tiles in a group have the same bits as single query tiles", "[parity][cpu]") {
  for_random_cuts(40, [](basin::cpu::tuning cut, shape const& s) {
    INFO(description(s));
    call<float> alone(s), together(s), with_top_k(s), with_top_k_together(s);
    auto const run = [&](auto const& use, auto& c) { basin::cpu::forward(use, c.q.v, c.k.v, c.v.v, c.out.v, cut); };
    cut.panels_together = 1;
    run(causal, alone);
    run(causal.with(basin::top_k{9}), with_top_k);
    cut.panels_together = 8;
    cut.panel_bytes = 1 << 24;
    run(causal, together);
    run(causal.with(basin::top_k{9}), with_top_k_together);
    CHECK(same_elements(alone.out, together.out));
    CHECK(same_elements(with_top_k.out, with_top_k_together.out));
  });
}

TEST_CASE("a tuning larger than the call processes it in one piece", "[parity][cpu]") {
  constexpr index_t most = std::numeric_limits<index_t>::max();
  basin::cpu::tuning const cut{.keys_per_block = most, .keys_per_step = most, .panels_together = most,
                               .panel_bytes = most, .kept_bytes = most, .tasks = most};
  for (shape const& s : {shape{1, 2, 1, 60, 300, 16, 16}, shape{1, 2, 1, 2, 300, 16, 16}}) {
    compare_forward<float>(causal, s, numbers::normal, 1, [&](auto const& use, auto& c) {
      basin::cpu::forward(use, c.q.v, c.k.v, c.v.v, c.out.v, cut);
    });
    compare_forward<float>(causal, s, numbers::normal, 1, [&](auto const& use, auto& c) {
      basin::cpu::decode(use, c.q.v, c.k.v, c.v.v, c.out.v, cut);
    });
    compare_backward<float>(causal, s, numbers::normal, 1, [&](auto const& use, auto& c) {
      basin::cpu::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v, cut);
    });
  }
}

}  // namespace basin_test
