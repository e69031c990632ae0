// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers concepts/observation.hpp, observe/, and what cpu/ and reference.hpp show: whole rows, and who can see a key.
#include "basin/observe/mean_received_attention.hpp"
#include "parity/compare.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

shape const watched_shapes[] = {
    {1, 4, 2, 37, 131, 16, 8, layout::length_first, layout::padded},
    {2, 2, 2, 5, 40, 16, 3},
    {1, 2, 1, 21, 9, 16, 5},                                     // the first queries see nothing
};

/// Room for everything that is watched here.
struct sights {
  shape s;
  std::vector<double> weights, scores, visible, means, queries, nats, received;

  explicit sights(shape const& at)
      : s(at),
        weights(static_cast<std::size_t>(s.batch * s.heads * s.queries * s.keys), nan),
        scores(weights.size(), nan),
        visible(static_cast<std::size_t>(s.batch * s.heads * s.queries), nan),
        means(static_cast<std::size_t>(s.batch * s.heads * s.keys), nan),
        queries(means.size(), nan),
        nats(visible.size(), nan),
        received(means.size(), nan) {}
  auto rows(std::vector<double>& in) { return basin::contiguous(in.data(), s.batch, s.heads, s.queries); }
  auto keys(std::vector<double>& in) { return basin::contiguous(in.data(), s.batch, s.heads, s.keys); }
  auto pairs(std::vector<double>& in) { return basin::contiguous(in.data(), s.batch, s.heads, s.queries, s.keys); }
  row_copies copies() { return {pairs(weights), pairs(scores), rows(visible)}; }
  /// Every kind of observer in one, nested.
  auto all() {
    return basin::together(basin::entropy{rows(nats)}, basin::together(copies(), visitors{keys(queries)}),
                           basin::mean_received_attention{keys(means)}, basin::received_attention{keys(received)});
  }
};

/// What the rows of softmax over `mask` and `prune` are, in plain loops that share nothing with an engine.
template <class Mask, class Pruner>
sights by_hand(call<double> const& c, Mask const& mask, Pruner const& prune) {
  shape const& s = c.s;
  sights out(s);
  for (auto list : {&sights::queries, &sights::received, &sights::visible}) std::fill((out.*list).begin(), (out.*list).end(), 0.0);
  for (int b = 0; b < s.batch; ++b)
    for (int h = 0; h < s.heads; ++h)
      for (index i = 0; i < s.queries; ++i) {
        double total = 0;
        for (index j = 0; j < s.keys; ++j) {
          double score = 0;
          for (index d = 0; d < s.dim; ++d) score += c.q.v(b, h, i, d) * c.k.v(b, h / (s.heads / s.kv_heads), j, d) / std::sqrt(static_cast<double>(s.dim));
          basin::coord const at{b, h, i + s.keys - s.queries, j};
          bool const sees = mask.allows(at) && prune.keeps(at, score);
          out.pairs(out.scores)(b, h, i, j) = sees ? score : -inf;
          out.rows(out.visible)(b, h, i) += sees;
          out.keys(out.queries)(b, h, j) += sees;
          total += sees ? std::exp(score) : 0;
        }
        for (index j = 0; j < s.keys; ++j) {
          double const score = out.pairs(out.scores)(b, h, i, j), w = score == -inf ? 0 : std::exp(score) / total;
          out.pairs(out.weights)(b, h, i, j) = w;
          out.keys(out.received)(b, h, j) += w;
        }
      }
  for (std::size_t n = 0; n < out.means.size(); ++n) out.means[n] = out.queries[n] == 0 ? 0 : out.received[n] / out.queries[n];
  return out;
}

void compare_sights(sights const& here, sights const& expected, call_tolerances const& allowed, double score) {
  CHECK(here.visible == expected.visible);
  CHECK(here.queries == expected.queries);
  CHECK(distance(here.weights, expected.weights) <= allowed.max_weight);
  CHECK(distance(here.scores, expected.scores) <= score);        // -inf in the same places, or the distance is inf
  CHECK(distance(here.received, expected.received) <= allowed.received);
  CHECK(distance(here.means, expected.means) <= allowed.received);
}

/// All masks and pruners; whatever path the engine takes, the same is seen and the output keeps its bits.
template <class T, class Engine>
void require_seen(Engine engine) {
  using mask_kind = chosen_mask::kind;
  using pruner_kind = chosen_pruner::kind;
  for (shape const& s : watched_shapes) {
    auto const dropped = dropped_bytes(s);
    basin::drop_keys const drop{basin::contiguous(dropped.data(), s.batch, s.heads, s.keys)};
    for (auto const mask : {mask_kind::unmasked, mask_kind::causal, mask_kind::holes})
      for (auto const pruner : {pruner_kind::keep_all, pruner_kind::drop_keys, pruner_kind::from_score}) {
        INFO(description(s) << ", mask " << static_cast<int>(mask) << ", pruner " << static_cast<int>(pruner));
        auto const use = basin::attention<>{}.with(chosen_mask{mask}).with(chosen_pruner{pruner, drop, from_score{-0.3017}});
        call<T> watched(s), blind(s);
        call<double> exact(s);
        sights seen(s);
        engine(use.with(seen.all()), watched);
        engine(use, blind);
        CHECK(same_elements(watched.out, blind.out));
        auto const allowed = tolerances_of<T>(s, watched.magnitudes());
        compare_sights(seen, by_hand(exact, use.visible, use.prune), allowed, allowed.max_weight / 2);
      }
  }
}

inline constexpr auto reference_forward = [](auto const& use, auto& c) { basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v); };

}  // namespace

TEST_CASE("the reference shows whole rows, and counts who can see a key", "[parity][observer]") { require_seen<double>(reference_forward); }
TEST_CASE("panels show whole rows, and count who can see a key", "[parity][observer]") { require_seen<float>(cpu_forward); }
TEST_CASE("a stream shows whole rows, and counts who can see a key", "[parity][observer]") { require_seen<float>(cpu_stream); }
TEST_CASE("decode shows whole rows, and counts who can see a key", "[parity][observer]") { require_seen<double>(cpu_decode); }

}  // namespace basin_test
