// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers cpu/decode.hpp with every normalizer, every mask, pruner and observer.
#include "parity/policies.hpp"

namespace basin_test {

namespace {

/// Rows of one split and of several, groups of rows that do not fill a tile, fewer keys than lanes, and queries before
/// the first key.
shape const decode_shapes[] = {
    {1, 4, 2, 1, 131, 16, 8, layout::length_first, layout::padded},
    {2, 6, 2, 3, 70, 16, 3, layout::padded, layout::length_first},
    {1, 4, 4, 2, 200, 16, 5, layout::reversed, layout::dim_first},
    {1, 3, 1, 4, 3, 16, 24},
};

template <class Attention>
void compare_decoded(Attention const& use, shape const& s, basin::cpu::tuning const& cut, double steep) {
  INFO(description(s) << ", " << cut.keys_per_block << " keys per block");
  call<float> here(s, numbers::grid);
  call<double> exact(s, numbers::grid);
  reports seen(s), expected(s);
  decode_few(use.with(seen.watch_all()), here.q.v, here.k.v, here.v.v, here.out.v, cut);
  basin::reference::forward(use.with(expected.watch_all()), exact.q.v, exact.k.v, exact.v.v, exact.out.v);
  auto m = here.magnitudes();
  m.steep = steep;
  m.support = support_of_errors(use.normalize, s);
  auto const allowed = tolerances_of<float>(s, m);
  CHECK(here.outputs_are_whole());
  CHECK(distance(here.out, exact.out) <= allowed.out);
  compare_reports(seen, expected, allowed);
}

template <class Cases>
void compare_family(Cases const& cases, double steep) {
  for_each_case(cases, [&](auto const& c) {
    INFO(c.name);
    for (shape const& s : decode_shapes) {
      auto const dropped = dropped_bytes(s);
      for_each_mask_and_pruner(dropped, s, [&](chosen_mask mask, chosen_pruner pruner) {
        auto const use = basin::attention<>{}.with(c.normalize).with(mask).with(pruner);
        compare_decoded(use, s, {}, steep);
        compare_decoded(use, s, small_cuts, steep);
      });
    }
  });
}

/// A row state with a count beside its values. It cannot be split into lanes, so decode processes it key by key.
struct counting_softmax {
  template <class T>
  struct row {
    T max = basin::math::lowest<T>(), sum = T(0);
    int scores = 0;
  };
  template <class T>
  void raise(row<T>& r, T score) const { r.max = basin::math::max(r.max, score); }
  template <class T>
  T term(row<T> const& r, T score) const { return basin::math::exp(score - r.max); }
  template <class T>
  void add(row<T>& r, T, T term) const {
    r.sum = r.sum + term;
    ++r.scores;
  }
  template <class T>
  T rescale(row<T> const& old, row<T> const& now) const { return basin::math::exp(old.max - now.max); }
  template <class T>
  T factor(row<T> const& r) const { return basin::math::select(r.sum == T(0), T(0), T(1) / r.sum); }
  template <class T>
  void merge(row<T>& into, row<T> const& from) const {
    row<T> const now{basin::math::max(into.max, from.max), T(0), 0};
    into = {now.max, into.sum * rescale(into, now) + from.sum * rescale(from, now), into.scores + from.scores};
  }
};
static_assert(basin::online_normalizer<counting_softmax>);

}  // namespace

// The smallest temperature of the family is 1/4; scaling laws multiply scores by at most 5.3 at 200 keys.
TEST_CASE("decode with softmax and its scaling laws agrees with the reference", "[parity][cpu]") {
  compare_family(softmax_family(), 5.3);
}
TEST_CASE("decode with normalizers that search agrees with the reference", "[parity][cpu]") {
  compare_family(threshold_family(), 5.3);
}
TEST_CASE("decode with normalizers that have a sink agrees with the reference", "[parity][cpu]") {
  compare_family(sink_family(), 5.3);
}
TEST_CASE("decode with pointwise weights agrees with the reference", "[parity][cpu]") {
  compare_family(pointwise_family(), 5.3);
}
TEST_CASE("decode with the archetypes of normalizers agrees with the reference", "[parity][cpu]") {
  compare_family(archetype_family(), 5.3);
}

TEST_CASE("decode with row states that cannot be split into lanes agrees with the reference", "[parity][cpu]") {
  compare_family(std::tuple{normalizer_case{"counting softmax", counting_softmax{}},
                            normalizer_case{"trusting square", trusting_square{}}},
                 1);
}

}  // namespace basin_test
