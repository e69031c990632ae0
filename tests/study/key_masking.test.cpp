// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers examples/study/key_masking.hpp
#include <algorithm>
#include <numeric>
#include <vector>

#include "basin/mask/causal.hpp"
#include "basin/lm/models/llama.hpp"
#include "study/key_masking.hpp"
#include "support/catch.hpp"

namespace basin::study {

namespace {

lm::llama_config const tiny{.vocabulary = lm::vocabulary_size,
                                      .dim = 16,
                                      .layers = 2,
                                      .heads = 4,
                                      .kv_heads = 2,
                                      .hidden = 24,
                                      .context = 16};
using diffusion = lm::llama<attention<>>;
using autoregressive = lm::llama<decltype(attention<>{}.with(causal{}))>;

std::vector<int> random_ids(std::uint64_t seed, std::size_t count) {
  philox rng(seed);
  std::vector<int> ids(count);
  for (int& id : ids) id = static_cast<int>(below(rng, 256));
  return ids;
}

/// Runs passes over the same tokens and gives the logits of the last.
std::vector<float> passes(diffusion& model, std::vector<int> const& ids, int batch, key_masking& mask, int count) {
  std::vector<float> out;
  int const length = static_cast<int>(ids.size()) / batch;
  for (index_t step = 0; step < count; ++step) {
    lm::pass const now{step, batch, length, length, ids};
    auto const logits = model.forward(ids, batch, length, mask.adapt(now));
    out.assign(logits.begin(), logits.end());
    mask.seen(now);
  }
  return out;
}

std::vector<index_t> without_attention(std::span<double const> received) {
  std::vector<index_t> keys;
  for (std::size_t j = 0; j < received.size(); ++j)
    if (received[j] == 0) keys.push_back(static_cast<index_t>(j));
  return keys;
}

}  // namespace

TEST_CASE("watching changes no bit, and the attention received adds up to the queries", "[property][study]") {
  diffusion model(tiny, 4);
  auto const ids = random_ids(1, 32);
  auto const bare = model.forward(ids, 2, 16);
  std::vector<float> const expected(bare.begin(), bare.end());
  key_masking mask(tiny, 2, 16);
  CHECK(passes(model, ids, 2, mask, 3) == expected);
  CHECK(mask.queries() == 16);
  for (index_t l = 0; l < 2; ++l)
    for (index_t h = 0; h < 4; ++h) {
      auto const c = mask.received(l, 1, h);
      CHECK(std::accumulate(c.begin(), c.end(), 0.0) == Approx(16.0).epsilon(1e-5));
    }
}

TEST_CASE("the second pass hides exactly the keys that were strongest in the first", "[unit][study]") {
  diffusion model(tiny, 4);
  auto const ids = random_ids(2, 32);
  auto const count = GENERATE(1, 5);
  key_masking before(tiny, 2, 16), after(tiny, 2, 16);
  before.set_plan({drop::strongest, count, evidence::last_pass, 0});
  after.set_plan({drop::strongest, count, evidence::last_pass, 0});
  auto const unhidden = passes(model, ids, 2, before, 1);
  CHECK(passes(model, ids, 2, after, 2) != unhidden);
  for (index_t b = 0; b < 2; ++b)
    for (index_t h = 0; h < 4; ++h) {
      auto expected = sinks::strongest_keys(before.received(0, b, h),
                                            count);  // the first layer sees the same inputs in both passes
      std::sort(expected.begin(), expected.end());
      CHECK(without_attention(after.received(0, b, h)) == expected);
      CHECK(without_attention(after.received(1, b, h)).size() == static_cast<std::size_t>(count));
    }
}

TEST_CASE("random keys are as many, differ by head, and depend on the sequence and not on its batch", "[unit][study]") {
  diffusion model(tiny, 4);
  auto const ids = random_ids(3, 48);
  masking_plan const plan{drop::random, 3, evidence::last_pass, 77};
  key_masking all(tiny, 3, 16), last(tiny, 1, 16, 2);
  all.set_plan(plan);
  last.set_plan(plan);
  passes(model, ids, 3, all, 2);
  passes(model, {ids.begin() + 32, ids.end()}, 1, last, 2);
  std::vector<std::vector<index_t>> sets;
  for (index_t l = 0; l < 2; ++l)
    for (index_t h = 0; h < 4; ++h) {
      sets.push_back(without_attention(all.received(l, 2, h)));
      CHECK(sets.back().size() == 3);
      CHECK(sets.back() == without_attention(last.received(l, 0, h)));
    }
  std::sort(sets.begin(), sets.end());
  CHECK(std::unique(sets.begin(), sets.end()) - sets.begin() > 4);
}

TEST_CASE("a writer hides old keys from the new token, by all rows or by the last", "[unit][study]") {
  autoregressive model(tiny, 6);
  auto const prompt = random_ids(4, 8);
  key_masking reader(tiny, 1, 16);
  lm::writing<autoregressive> read(model, std::span(prompt).first(7), reader);
  read.append(prompt.back(), reader);
  auto const by = GENERATE(evidence::all_passes, evidence::last_pass);
  auto mask = reader;
  auto text = read;
  mask.set_plan({drop::strongest, 2, by, 0});
  CHECK(mask.queries() == (by == evidence::all_passes ? 9 : 1));
  auto expected = sinks::strongest_keys(mask.received(1, 0, 3), 2);
  std::sort(expected.begin(), expected.end());
  text.append('x', mask);
  auto row = mask;
  row.set_plan({drop::nothing, 0, evidence::last_pass, 0});
  CHECK(row.received(1, 0, 3).size() == 10);
  CHECK(without_attention(row.received(1, 0, 3)) == expected);  // the new token itself is never hidden
  CHECK(row.received(1, 0, 3).back() > 0);
}

}  // namespace basin::study
