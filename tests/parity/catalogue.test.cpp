// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/ with every mask, pruner and score function of the catalogue, in shapes of several query tiles.
#include "parity/policies.hpp"
#include "support/catalogue.hpp"

namespace basin_test {

namespace {

shape const shapes[] = {
    {2, 3, 1, 37, 170, 8, 8, layout::length_first, layout::padded},  // query tiles of 32, blocks of 128 keys
    {2, 3, 3, 50, 30, 8, 5},  // the first queries have no visible keys under causal masks
};

/// Compares every engine with the reference for one set of policies.
template <class Attention>
void compare_engines(Attention const& use, shape const& s, double bend) {
  call<float> panels(s), stream(s), decoded(s);
  call<double> exact(s);
  reports seen(s), expected(s);
  basin::cpu::forward(use.with(seen.watch_all()), panels.q.v, panels.k.v, panels.v.v, panels.out.v);
  cpu_stream(use, stream);
  cpu_decode(use, decoded);
  cpu_backward(use, panels);
  basin::reference::forward(use.with(expected.watch_all()), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  basin::reference::backward(use, exact.q.v, exact.k.v, exact.v.v, exact.dout.v, exact.dq.v, exact.dk.v, exact.dv.v);
  auto m = panels.magnitudes();
  m.bend = bend * (m.q_norm * m.k_norm + static_cast<double>(s.keys));
  auto const allowed = tolerances_of<float>(s, m);
  for (call<float> const* const c : {&panels, &stream, &decoded}) {
    CHECK(c->outputs_are_whole());
    CHECK(distance(c->out, exact.out) <= allowed.out);
  }
  compare_backward_results(panels, exact, allowed);
  compare_reports(seen, expected, allowed);
}

/// The last queries only, as in a step with a cache; decode splits the keys of such a call.
shape few_queries(shape s) {
  s.queries = 3;
  return s;
}

}  // namespace

TEST_CASE("the cpu engine agrees with the reference under every mask and every pruner", "[parity][cpu]") {
  for (shape const& s : shapes) {
    catalogue_of<std::allocator> const of(s);
    auto const masks = of.masks();
    auto const pruners = of.pruners();
    for (std::size_t n = 0; n < masks.size(); ++n)
      for (std::size_t r = 0; r < pruners.size(); ++r) {
        // every mask, every pruner, a third of the pairs
        if (n % 3 != 0 && r != 0 && r != n % pruners.size()) continue;
        INFO(description(s) << ", mask " << n << ", pruner " << r);
        auto const use = basin::attention<>{}.with(masks[n]).with(pruners[r]).with(any_scorer{});
        compare_engines(use, s, 0);
        compare_engines(use, few_queries(s), 0);
      }
  }
}

TEST_CASE("the cpu engine agrees with the reference under every score function", "[parity][cpu]") {
  for (shape const& s : shapes) {
    catalogue_of<std::allocator> const of(s);
    for (auto const& score : of.scorers())
      for (auto const& mask : {of.masks()[0], of.masks()[1], of.masks()[9]}) {
        INFO(description(s) << ", score function " << score.which.index() << ", mask " << mask.which.index());
        compare_engines(basin::attention<>{}.with(mask).with(any_pruner{}).with(score), s, 1);
        compare_engines(basin::attention<>{}.with(mask).with(any_pruner{}).with(score), few_queries(s), 1);
      }
  }
}

TEST_CASE("pruners and masks that hide nothing are the same as none, bit for bit", "[property][pruner]") {
  shape const s{1, 2, 1, 70, 140, 16, 16};
  std::vector<std::uint8_t> const every(2 * 140, 1);
  std::vector<std::int32_t> const whole_length(1, 140), one_document(140, 5);
  auto const set = basin::contiguous(every.data(), 1, 2, 140);
  auto const use = basin::attention<>{}.with(any_mask{}).with(any_pruner{});
  call<float> plain(s);
  cpu_forward(use, plain), cpu_backward(use, plain);
  auto const require_same = [&](auto const& other) {
    call<float> c(s);
    cpu_forward(other, c), cpu_backward(other, c);
    for (auto const t : {&call<float>::out, &call<float>::dq, &call<float>::dk, &call<float>::dv})
      CHECK(same_elements(plain.*t, c.*t));
  };
  for (any_pruner const& p :
       {any_pruner{basin::keep_keys{set}}, any_pruner{basin::window_with_sinks{0, 1000, 1000}},
        any_pruner{basin::block_sparse{basin::contiguous(every.data(), 1, 2, 2, 2), 100}},
        any_pruner{basin::heavy_hitters{set, 0}}, any_pruner{basin::score_floor{-1e30f}},
        any_pruner{basin::all_of(basin::window_with_sinks{140, 1, 0}, basin::score_floor{-1e30f})}})
    require_same(use.replace(p));
  basin::key_padding const unpadded{basin::contiguous(whole_length.data(), 1)};
  basin::documents const whole{basin::contiguous(one_document.data(), 1, 140)};
  for (any_mask const& m : {any_mask{basin::sliding_window{139, 139}}, any_mask{basin::prefix{140}},
                            any_mask{basin::block_causal{140}}, any_mask{unpadded}, any_mask{whole}})
    require_same(use.replace(m));
}

TEST_CASE("a row whose scores all lie below the floor gives 0 and no gradient", "[parity][cpu]") {
  shape const s{1, 1, 1, 5, 9, 4, 3};
  auto const use = basin::attention<>{}.with(any_mask{}).with(any_pruner{basin::score_floor{1e6f}}).with(any_scorer{});
  call<float> c(s);
  reports seen(s);
  basin::cpu::forward(use.with(seen.watch_all()), c.q.v, c.k.v, c.v.v, c.out.v);
  cpu_backward(use, c);
  CHECK(largest(c.out) == 0);
  for (auto const t : {&call<float>::dq, &call<float>::dk, &call<float>::dv}) CHECK(largest(c.*t) == 0);
  CHECK(seen.nats == std::vector<double>(5, 0.0));
}

}  // namespace basin_test
