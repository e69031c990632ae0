// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers concepts/observation.hpp, observe/, and observation in cpu/ and reference.hpp: whole rows, and the number of
// queries to which a key is visible.
#include <omp.h>

#include "basin/observe/log_sum_exp.hpp"
#include "basin/observe/mean_received_attention.hpp"
#include "parity/compare.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

shape const observed_shapes[] = {
    {1, 4, 2, 37, 131, 16, 8, layout::length_first, layout::padded},
    {2, 2, 2, 5, 40, 16, 3},
    {1, 2, 1, 21, 9, 16, 5},  // the first queries have no visible keys under a causal mask
};

/// Memory for all observations of these tests.
struct sights {
  shape s;
  std::vector<double> weights, scores, visible, means, queries, nats, logs, received;

  explicit sights(shape const& at)
      : s(at),
        weights(static_cast<std::size_t>(s.batch * s.heads * s.queries * s.keys), nan),
        scores(weights.size(), nan),
        visible(static_cast<std::size_t>(s.batch * s.heads * s.queries), nan),
        means(static_cast<std::size_t>(s.batch * s.heads * s.keys), nan),
        queries(means.size(), nan),
        nats(visible.size(), nan),
        logs(visible.size(), nan),
        received(means.size(), nan) {}
  auto rows(std::vector<double>& in) { return basin::contiguous(in.data(), s.batch, s.heads, s.queries); }
  auto keys(std::vector<double>& in) { return basin::contiguous(in.data(), s.batch, s.heads, s.keys); }
  auto pairs(std::vector<double>& in) { return basin::contiguous(in.data(), s.batch, s.heads, s.queries, s.keys); }
  row_copies copies() { return {pairs(weights), pairs(scores), rows(visible)}; }
  /// Observers of every kind, nested.
  auto all() {
    return basin::together(basin::entropy{rows(nats)}, basin::log_sum_exp{rows(logs)},
                           basin::together(copies(), visitors{keys(queries)}),
                           basin::mean_received_attention{keys(means)}, basin::received_attention{keys(received)});
  }
};

/// Rows of softmax under `mask` and `prune`, in plain loops that share no code with an engine.
template <class Mask, class Pruner>
sights by_hand(call<double> const& c, Mask const& mask, Pruner const& prune) {
  shape const& s = c.s;
  sights out(s);
  for (auto list : {&sights::queries, &sights::received, &sights::visible})
    std::fill((out.*list).begin(), (out.*list).end(), 0.0);
  for (int b = 0; b < s.batch; ++b)
    for (int h = 0; h < s.heads; ++h)
      for (index_t i = 0; i < s.queries; ++i) {
        double total = 0;
        for (index_t j = 0; j < s.keys; ++j) {
          double score = 0;
          for (index_t d = 0; d < s.dim; ++d)
            score +=
                c.q.v(b, h, i, d) * c.k.v(b, h / (s.heads / s.kv_heads), j, d) / std::sqrt(static_cast<double>(s.dim));
          basin::coord const at{b, h, i + s.keys - s.queries, j};
          bool const visible = mask.allows(at) && prune.keeps(at, score);
          out.pairs(out.scores)(b, h, i, j) = visible ? score : -inf;
          out.rows(out.visible)(b, h, i) += visible;
          out.keys(out.queries)(b, h, j) += visible;
          total += visible ? std::exp(score) : 0;
        }
        out.rows(out.logs)(b, h, i) = std::log(total);
        for (index_t j = 0; j < s.keys; ++j) {
          double const score = out.pairs(out.scores)(b, h, i, j), w = score == -inf ? 0 : std::exp(score) / total;
          out.pairs(out.weights)(b, h, i, j) = w;
          out.keys(out.received)(b, h, j) += w;
        }
      }
  for (std::size_t n = 0; n < out.means.size(); ++n)
    out.means[n] = out.queries[n] == 0 ? 0 : out.received[n] / out.queries[n];
  return out;
}

void compare_sights(sights const& here, sights const& expected, call_tolerances const& allowed, double score) {
  CHECK(here.visible == expected.visible);
  CHECK(here.queries == expected.queries);
  CHECK(distance(here.weights, expected.weights) <= allowed.max_weight);
  CHECK(distance(here.scores, expected.scores) <= score);        // infinite unless -inf is in the same places
  CHECK(distance(here.logs, expected.logs) <= allowed.max_weight);  // -inf for an empty row
  CHECK(distance(here.received, expected.received) <= allowed.received);
  CHECK(distance(here.means, expected.means) <= allowed.received);
}

/// For all masks and pruners: the observations must be those of plain loops, and the output must keep its bits.
template <class T, class Engine>
void require_seen(Engine engine) {
  using mask_kind = chosen_mask::kind;
  using pruner_kind = chosen_pruner::kind;
  for (shape const& s : observed_shapes) {
    auto const dropped = dropped_bytes(s);
    basin::drop_keys const drop{basin::contiguous(dropped.data(), s.batch, s.heads, s.keys)};
    for (auto const mask : {mask_kind::unmasked, mask_kind::causal, mask_kind::holes})
      for (auto const pruner : {pruner_kind::keep_all, pruner_kind::drop_keys, pruner_kind::from_score}) {
        INFO(description(s) << ", mask " << static_cast<int>(mask) << ", pruner " << static_cast<int>(pruner));
        auto const use =
            basin::attention<>{}.with(chosen_mask{mask}).with(chosen_pruner{pruner, drop, from_score{-0.3017}});
        call<T> observed(s), plain(s);
        call<double> exact(s);
        sights seen(s);
        engine(use.with(seen.all()), observed);
        engine(use, plain);
        CHECK(same_elements(observed.out, plain.out));
        auto const allowed = tolerances_of<T>(s, observed.magnitudes());
        compare_sights(seen, by_hand(exact, use.visible, use.prune), allowed, allowed.max_weight / 2);
      }
  }
}

/// Observing the backward pass must change no bit of the gradients and report the rows and keys of the forward pass.
template <class T, class Engine>
void require_seen_in_backward(Engine engine) {
  for (shape const& s : observed_shapes)
    for (auto const mask : {chosen_mask::kind::unmasked, chosen_mask::kind::causal, chosen_mask::kind::holes}) {
      INFO(description(s) << ", mask " << static_cast<int>(mask));
      auto const use = basin::attention<>{}.with(chosen_mask{mask});
      call<T> observed(s), plain(s);
      call<double> exact(s);
      sights seen(s);
      engine(use.with(seen.all()), observed);
      engine(use, plain);
      CHECK(same_elements(observed.dq, plain.dq));
      CHECK(same_elements(observed.dk, plain.dk));
      CHECK(same_elements(observed.dv, plain.dv));
      auto const allowed = tolerances_of<T>(s, observed.magnitudes());
      auto const expected = by_hand(exact, use.visible, use.prune);
      CHECK(seen.queries == expected.queries);
      CHECK(distance(seen.logs, expected.logs) <= allowed.max_weight);
      CHECK(distance(seen.received, expected.received) <= allowed.received);
      CHECK(distance(seen.means, expected.means) <= allowed.received);
      sights forward(s);
      cpu_forward(use.with(forward.all()), plain);
      CHECK(distance(seen.nats, forward.nats) <= 2 * allowed.entropy);
      CHECK(std::isnan(seen.weights[0]));                        // whole rows are not passed to observers here
    }
}

inline constexpr auto reference_forward = [](auto const& use, auto& c) {
  basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v);
};

}  // namespace

TEST_CASE("the reference reports whole rows, and the number of queries to which a key is visible",
          "[parity][observer]") {
  require_seen<double>(reference_forward);
}
TEST_CASE("query tiles report whole rows, and the number of queries to which a key is visible", "[parity][observer]") {
  require_seen<float>(cpu_forward);
}
TEST_CASE("a stream reports whole rows, and the number of queries to which a key is visible", "[parity][observer]") {
  require_seen<float>(cpu_stream);
}
TEST_CASE("decode reports whole rows, and the number of queries to which a key is visible", "[parity][observer]") {
  require_seen<double>(cpu_decode);
}

TEST_CASE("observers of rows and keys report the same in the backward pass as in the forward pass",
          "[parity][observer]") {
  require_seen_in_backward<float>(cpu_backward);
}
TEST_CASE("observers of rows and keys report the same in a backward pass over small blocks", "[parity][observer]") {
  require_seen_in_backward<double>(cpu_backward_in_small_cuts);
}

TEST_CASE("the number of threads changes no bit of observations in the backward pass", "[parity][observer]") {
  int const before = omp_get_max_threads();
  std::vector<sights> seen;
  for (int const threads : {1, 2, 5}) {
    omp_set_num_threads(threads);
    shape const s{2, 4, 2, 150, 97, 16, 16};
    call<float> c(s);
    cpu_backward(basin::attention<>{}.with(basin::causal{}).with(seen.emplace_back(s).all()), c);
    for (auto const list : {&sights::means, &sights::queries, &sights::nats, &sights::logs, &sights::received})
      CHECK(std::memcmp((seen.back().*list).data(), (seen[0].*list).data(), (seen[0].*list).size() * sizeof(double)) ==
            0);
  }
  omp_set_num_threads(before);
}

TEST_CASE("the number of threads changes no bit of observed whole rows and counts", "[parity][observer]") {
  shape const s{1, 3, 1, 150, 97, 16, 16};
  int const before = omp_get_max_threads();
  auto const use = basin::attention<>{}.with(chosen_mask{chosen_mask::kind::causal}).with(chosen_pruner{});
  for (int const cut : {0, 1}) {
    std::vector<sights> seen;
    for (int const threads : {1, 2, 5}) {
      omp_set_num_threads(threads);
      call<float> c(s);
      sights& here = seen.emplace_back(s);
      if (cut == 0) cpu_forward(use.with(here.all()), c);
      else cpu_stream(use.with(here.all()), c);
      for (auto const list : {&sights::weights, &sights::scores, &sights::visible, &sights::means, &sights::queries,
                              &sights::nats, &sights::logs, &sights::received})
        CHECK(std::memcmp((here.*list).data(), (seen[0].*list).data(), (here.*list).size() * sizeof(double)) == 0);
    }
  }
  omp_set_num_threads(before);
}

TEST_CASE("a key whose score is -inf has weight 0 and counts as visible", "[parity][observer]") {
  shape const s{1, 1, 1, 4, 6, 2, 2};
  auto const check = [&](auto engine) {
    call<double> c(s);
    c.q.each([](double& x, auto...) { x = 1; });
    c.k.v(0, 0, 2, 0) = -inf;
    sights seen(s);
    engine(basin::attention<>{}.with(chosen_mask{}).with(chosen_pruner{}).with(seen.all()), c);
    CHECK(seen.visible == std::vector<double>(4, 6.0));
    CHECK(seen.queries == std::vector<double>(6, 4.0));
    CHECK(seen.scores[2] == -inf);
    CHECK(seen.weights[2] == 0);
    CHECK(seen.means[2] == 0);
    CHECK(seen.weights[3] > 0);
  };
  check(reference_forward), check(cpu_forward), check(cpu_stream), check(cpu_decode);
}

TEST_CASE("an observer that receives a row twice does not double the counts of others", "[parity][observer]") {
  shape const s{1, 2, 1, 20, 30, 8, 8};
  call<float> c(s);
  sights seen(s);
  std::vector<double> squares(seen.nats.size(), nan);
  auto const use = basin::attention<>{}.with(basin::causal{});
  auto const twice = basin::together(basin::mean_received_attention{seen.keys(seen.means)},
                                     visitors{seen.keys(seen.queries)}, concentration{seen.rows(squares)});
  auto const expected = by_hand(call<double>(s), basin::causal{}, basin::keep_all{});
  for (auto const& engine : {0, 1}) {
    if (engine == 0) cpu_forward(use.with(twice), c);
    else cpu_stream(use.with(twice), c);
    CHECK(seen.queries == expected.queries);
    CHECK(distance(seen.means, expected.means) <= tolerances_of<float>(s, c.magnitudes()).received);
  }
}

}  // namespace basin_test
