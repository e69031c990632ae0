// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How the two kinds of model write. An autoregressive model appends the likeliest byte (greedy); a masked diffusion
// model fills in the masked bytes that it is surest of, block after block (low confidence stays masked). A watch may
// change the attention of every pass and look at what it did: study/key_masking.hpp is one.

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/finite.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "basin/lm/transformer.hpp"

namespace basin::lm {

/// One forward pass of a sampler: `queries` new rows against `keys` keys for each of `batch` sequences.
struct pass {
  index_t step = 0, batch = 1, queries = 0, keys = 0;
  std::span<int const> tokens;  // [batch, keys]: what the keys are made of
};

/// The watch that changes and records nothing. Any other has the same two members: adapt(pass) gives the Adapt of the
/// pass (basin/lm/transformer.hpp), seen(pass) is called after it.
struct unwatched {
  unchanged adapt(pass const&) const { return {}; }
  void seen(pass const&) const {}
};

/// A byte and how likely the model finds it.
struct guess {
  int id = 0;
  double probability = 0;
};

/// The likeliest of the 256 bytes, the lowest of equals; the mask and the begin token are never written.
///
/// Throws    value_error: a logit that is not finite
inline guess best_byte(std::span<float const> logits) {
  auto const bytes = logits.first(256);
  require_finite(bytes, "the logits");
  auto const best = std::max_element(bytes.begin(), bytes.end());
  double sum = 0;
  for (float const x : bytes) sum += std::exp(static_cast<double>(x) - static_cast<double>(*best));
  return {static_cast<int>(best - bytes.begin()), 1 / sum};
}

/// A sequence being written by an autoregressive model, with its cache.
///
/// State     the tokens so far, the keys and values of all of them, the logits after the last; copies go their own ways
template <class Model>
class writing {
 public:
  /// Reads `begin` and the prompt in one pass, step 0.
  template <class Watch = unwatched>
  writing(Model& writer, std::span<int const> prompt, Watch&& watch = {}) : model(&writer), cache(writer.make_cache()) {
    std::vector<int> start{begin_id};
    start.insert(start.end(), prompt.begin(), prompt.end());
    take(start, watch);
  }

  /// Appends one token, the next step.
  template <class Watch = unwatched>
  void append(int token, Watch&& watch = {}) {
    take({token}, watch);
  }

  guess best() const { return best_byte(next); }
  std::span<float const> logits() const { return next; }
  std::span<int const> tokens() const { return written; }  // with `begin` in front

 private:
  template <class Watch>
  void take(std::vector<int> const& tokens, Watch& watch) {
    written.insert(written.end(), tokens.begin(), tokens.end());
    pass const now{step++, 1, std::ssize(tokens), std::ssize(written), written};
    auto const logits = model->extend(cache, tokens, watch.adapt(now));
    auto const last = logits.last(static_cast<std::size_t>(model->vocabulary()));
    next.assign(last.begin(), last.end());
    watch.seen(now);
  }

  Model* model;
  typename Model::cache_type cache;
  std::vector<int> written;
  std::vector<float> next;
  index_t step = 0;
};

/// Appends the likeliest byte until `length` are written; after `stop` (an id, or -1 for none) the rest is `stop`
/// unread.
///
/// Edges     the last byte is chosen but not read, as nothing follows it
template <class Model, class Watch = unwatched>
std::vector<int> greedy(writing<Model>& text, int length, int stop = -1, Watch&& watch = {}) {
  std::vector<int> answer;
  while (std::ssize(answer) < length) {
    int const id = text.best().id;
    answer.push_back(id);
    if (id == stop) break;
    if (std::ssize(answer) < length) text.append(id, watch);
  }
  answer.resize(static_cast<std::size_t>(length), stop);
  return answer;
}

/// Semi-autoregressive unmasking: the places [first, first + length) are filled in blocks, left to right, each in its
/// share of the steps.
struct unmasking {
  int first = 0, length = 0;
  int block = 8, steps = 0;

  int blocks() const { return length / block; }
  int steps_per_block() const { return steps / blocks(); }
  /// How many bytes step s of a block writes: the first steps take the remainder.
  int written_at(int s) const { return block / steps_per_block() + (s < block % steps_per_block() ? 1 : 0); }

  void validate(index_t sequence) const {
    if (first < 0 || length < 1 || first + length > sequence)
      throw shape_error{message("basin::lm::unmasking: the places [", first, ", ", first + length,
                                ") of a sequence of ", sequence, "; they must lie within it, and be at least one")};
    if (block < 1 || length % block != 0)
      throw value_error{message("basin::lm::unmasking: block is ", block, "; it must divide the length ", length)};
    if (steps < blocks() || steps % blocks() != 0 || steps > length)
      throw value_error{message("basin::lm::unmasking: steps is ", steps, "; it must be a multiple of the ",
                                blocks(), " blocks, from ", blocks(), " to ", length)};
  }
};

namespace detail {

/// Writes the `count` surest bytes among the masked places [low, high) of one sequence; of equals, the leftmost.
inline void commit_surest(std::span<int> tokens, std::span<float const> logits, int low, int high, int count) {
  std::size_t const vocabulary = logits.size() / tokens.size();
  std::vector<std::pair<int, guess>> open;
  for (int at = low; at < high; ++at)
    if (tokens[static_cast<std::size_t>(at)] == mask_id)
      open.push_back({at, best_byte(logits.subspan(static_cast<std::size_t>(at) * vocabulary, vocabulary))});
  std::stable_sort(open.begin(), open.end(),
                   [](auto const& a, auto const& b) { return a.second.probability > b.second.probability; });
  open.resize(std::min(open.size(), static_cast<std::size_t>(count)));
  for (auto const& [at, what] : open) tokens[static_cast<std::size_t>(at)] = what.id;
}

}  // namespace detail

/// Fills the places of `how` in sequences [batch, length]; what stood there is masked first.
///
/// Source    LLaDA, Nie et al. 2025, arXiv 2502.09992, algorithm 5 and generate.py at temperature 0; confidence in
///           double
/// Cost      how.steps passes over the whole sequences
/// Errors    value_error, shape_error from how.validate(); nothing is changed then
/// Determinism  run_to_run; one sequence never depends on the others of its batch
template <class Model, class Watch = unwatched>
void low_confidence(Model& model, std::span<int> tokens, int batch, unmasking how, Watch&& watch = {}) {
  int const length = batch > 0 ? static_cast<int>(std::ssize(tokens) / batch) : 0;
  how.validate(length);
  auto const sequence = [&](int b) {
    return tokens.subspan(static_cast<std::size_t>(b * length), static_cast<std::size_t>(length));
  };
  for (int b = 0; b < batch; ++b)
    std::ranges::fill(sequence(b).subspan(static_cast<std::size_t>(how.first), static_cast<std::size_t>(how.length)),
                      mask_id);
  pass now{0, batch, length, length, tokens};
  for (int low = how.first; low < how.first + how.length; low += how.block)
    for (int s = 0; s < how.steps_per_block(); ++s, ++now.step) {
      auto const logits = model.forward(tokens, batch, length, watch.adapt(now));
      watch.seen(now);
      std::size_t const row = logits.size() / static_cast<std::size_t>(batch);
      for (int b = 0; b < batch; ++b)
        detail::commit_surest(sequence(b), logits.subspan(static_cast<std::size_t>(b) * row, row), low, low + how.block,
                              how.written_at(s));
    }
}

}  // namespace basin::lm
