// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers include/basin/lm/decoding/samplers.hpp
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/lm/decoding/samplers.hpp"
#include "basin/lm/models/llama.hpp"
#include "basin/mask/causal.hpp"
#include "support/catch.hpp"

namespace basin::lm {

namespace {

/// A model whose logits come from a table: at position i of any sequence, the byte letters[i] has the logit
/// certainty[i].
struct table_model {
  std::vector<int> letters;
  std::vector<float> certainty;
  std::vector<std::vector<int>> read = {};  // the tokens of every pass
  std::vector<float> logits = {};

  template <class Adapt>
  std::span<float const> forward(std::span<int const> tokens, int batch, int length, Adapt) {
    read.emplace_back(tokens.begin(), tokens.end());
    logits.assign(static_cast<std::size_t>(batch * length) * vocabulary_size, 0.0f);
    for (std::size_t row = 0; row < tokens.size(); ++row) {
      logits[row * vocabulary_size + static_cast<std::size_t>(letters[row % letters.size()])] =
          certainty[row % letters.size()];
      logits[row * vocabulary_size + mask_id] = 100;  // the largest logits; neither id is ever written
      logits[row * vocabulary_size + begin_id] = 100;
    }
    return logits;
  }
};

llama_config const tiny{
    .vocabulary = vocabulary_size, .dim = 16, .layers = 2, .heads = 2, .kv_heads = 1, .hidden = 24, .context = 20};
int const m = mask_id;

}  // namespace

TEST_CASE("logits that are not finite are an error, never a byte", "[unit][study]") {
  for (float const wrong : {NAN, INFINITY, -INFINITY})
    for (std::size_t const at : {std::size_t{0}, std::size_t{97}, std::size_t{255}}) {
      std::vector<float> logits(vocabulary_size, 1.0f);
      CHECK(best_byte(logits).id == 0);
      logits[at] = wrong;
      CHECK_THROWS_AS(best_byte(logits), value_error);
    }
  table_model model{{'a', 'b'}, {5.0f, NAN}};
  std::vector<int> ids{m, m};
  CHECK_THROWS_AS(low_confidence(model, ids, 1, {.first = 0, .length = 2, .block = 2, .steps = 2}), value_error);
}

TEST_CASE("the surest bytes are written first, block after block, of equals the leftmost", "[unit][samplers]") {
  table_model model{{'a', 'b', 'c', 'd', 'e', 'f'}, {9, 9, 5, 7, 5, 8}};
  std::vector<int> tokens{'x', 'y', 'n', 'n', 'n', 'n'};
  low_confidence(model, tokens, 1, {.first = 2, .length = 4, .block = 2, .steps = 4});
  CHECK(tokens == std::vector<int>{'x', 'y', 'c', 'd', 'e', 'f'});
  CHECK(model.read ==
        std::vector<std::vector<int>>{{'x', 'y', m, m, m, m},  // place 5 is surer than all, but in the second block
                                      {'x', 'y', m, 'd', m, m},
                                      {'x', 'y', 'c', 'd', m, m},
                                      {'x', 'y', 'c', 'd', m, 'f'}});
  table_model even{{'a', 'b', 'c', 'd', 'e', 'f'}, {1, 1, 1, 1, 1, 1}};
  low_confidence(even, tokens, 1, {.first = 2, .length = 4, .block = 4, .steps = 4});
  CHECK(even.read[1] == std::vector<int>{'x', 'y', 'c', m, m, m});
}

TEST_CASE("a block whose steps do not divide it writes more in its first steps", "[unit][samplers]") {
  unmasking const how{.first = 0, .length = 16, .block = 8, .steps = 6};  // 3 steps for 8 bytes: 3, 3, 2
  CHECK(how.written_at(0) == 3);
  CHECK(how.written_at(1) == 3);
  CHECK(how.written_at(2) == 2);
  std::vector<int> letters(16, 'z');
  table_model model{letters, std::vector<float>(16, 1.0f)};
  std::vector<int> tokens(16, 'n');
  low_confidence(model, tokens, 1, how);
  CHECK(model.read.size() == 6);
  CHECK(std::count(model.read[1].begin(), model.read[1].end(), m) == 13);
  CHECK(tokens == letters);
}

TEST_CASE("a sequence does not depend on the others of its batch", "[property][samplers]") {
  llama<attention<>> model(tiny, 5);
  std::vector<int> both(40);
  philox rng(3);
  for (int& id : both) id = static_cast<int>(below(rng, 256));
  std::vector<int> alone(both.begin() + 20, both.end());
  unmasking const how{.first = 8, .length = 12, .block = 4, .steps = 6};
  low_confidence(model, both, 2, how);
  low_confidence(model, alone, 1, how);
  CHECK(std::equal(alone.begin(), alone.end(), both.begin() + 20));
  CHECK(std::count(both.begin(), both.end(), m) == 0);
}

TEST_CASE("greedy with a cache writes what whole passes would", "[unit][samplers]") {
  llama<decltype(attention<>{}.with(causal{}))> model(tiny, 8);
  std::vector<int> const prompt{'a', 'b', 'c', ' '};
  writing<decltype(model)> text(model, prompt);
  auto const answer = greedy(text, 10);
  std::vector<int> whole{begin_id, 'a', 'b', 'c', ' '};
  for (int const id : answer) {
    auto const logits = model.forward(whole, 1, static_cast<int>(whole.size()));
    auto const last = logits.last(vocabulary_size).first(256);
    CHECK(id == std::max_element(last.begin(), last.end()) - last.begin());
    whole.push_back(id);
  }
  CHECK(text.tokens().size() == 5 + 9);  // the last byte is not read
}

TEST_CASE("after the stop byte the rest is stop bytes", "[unit][samplers]") {
  llama<decltype(attention<>{}.with(causal{}))> model(tiny, 8);
  std::vector<int> const prompt{'a', 'b'};
  writing<decltype(model)> first(model, prompt), second = first;
  auto const free = greedy(first, 8);
  auto const stopped = greedy(second, 8, free[2]);
  auto const at = std::find(free.begin(), free.end(), free[2]) - free.begin();
  CHECK(std::equal(free.begin(), free.begin() + at + 1, stopped.begin()));
  CHECK(std::all_of(stopped.begin() + at, stopped.end(), [&](int id) { return id == free[2]; }));
}

TEST_CASE("unmasking refuses places, blocks and steps that do not fit, and changes nothing", "[unit][samplers]") {
  table_model model{{'a'}, {1}};
  std::vector<int> tokens(8, 'n');
  CHECK_THROWS_AS(low_confidence(model, tokens, 1, {.first = 4, .length = 5, .block = 5, .steps = 5}), shape_error);
  CHECK_THROWS_AS(low_confidence(model, tokens, 1, {.first = -1, .length = 4, .block = 4, .steps = 4}), shape_error);
  CHECK_THROWS_AS(low_confidence(model, tokens, 0, {.first = 0, .length = 4, .block = 4, .steps = 4}), shape_error);
  CHECK_THROWS_AS(low_confidence(model, tokens, 1, {.first = 0, .length = 8, .block = 3, .steps = 8}), value_error);
  CHECK_THROWS_AS(low_confidence(model, tokens, 1, {.first = 0, .length = 8, .block = 0, .steps = 8}), value_error);
  CHECK_THROWS_AS(low_confidence(model, tokens, 1, {.first = 0, .length = 8, .block = 4, .steps = 3}), value_error);
  CHECK_THROWS_AS(low_confidence(model, tokens, 1, {.first = 0, .length = 8, .block = 4, .steps = 16}), value_error);
  CHECK(tokens == std::vector<int>(8, 'n'));
  CHECK(model.read.empty());
}

}  // namespace basin::lm
