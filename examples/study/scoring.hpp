// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Scores of both models with nothing hidden, with their sinks hidden, and with as many random keys hidden. A score is
// per item: 1 or 0 for a problem answered right or wrong; nats per byte for a window of text, whose second half is
// scored given the first (autoregressive: exactly; diffusion: the bound, one random mask a window, the same for every
// condition).

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/lm/decoding/samplers.hpp"
#include "basin/lm/evaluation/statistics.hpp"
#include "basin/lm/evaluation/word_problems.hpp"
#include "basin/lm/finite.hpp"
#include "study/key_masking.hpp"
#include "study/model_per_thread.hpp"
#include "study/options.hpp"
#include "study/test_set.hpp"

namespace basin::study {

using lm::running_mean;

/// A selection of hidden keys. `name` is "nothing", "sinks", "sinks of the last row" or "random keys".
struct condition {
  std::string name;
  masking_plan plan;
  index_t draw = 0;
};

/// What every condition scored on every item.
struct scores {
  condition under;
  std::vector<double> items;
};

/// Called after each unit of work.
using tick = std::function<void()>;
/// Called after every pass of the condition that hides nothing; sequence numbers start at `first`.
using pass_observer = std::function<void(key_masking const&, lm::pass const&, index_t first)>;

inline std::vector<condition> conditions(study_options const& o, evidence usual) {
  std::vector<condition> all{{"nothing", {drop::nothing, 0, usual, 0}, 0}};
  for (index_t const count : masked_counts) all.push_back({"sinks", {drop::strongest, count, usual, 0}, 0});
  if (usual == evidence::all_passes)
    for (index_t const count : masked_counts)
      all.push_back({"sinks of the last row", {drop::strongest, count, evidence::last_pass, 0}, 0});
  for (index_t draw = 0; draw < o.draws; ++draw)
    for (index_t const count : masked_counts)
      all.push_back({"random keys",
                     {drop::random, count, usual, o.seed + 0x9e3779b97f4a7c15 * static_cast<std::uint64_t>(draw + 1)},
                     draw});
  return all;
}

/// -ln softmax(logits)[target], in double.
///
/// Throws    value_error: a logit that is not finite
inline double surprise(std::span<float const> logits, int target) {
  return lm::log_sum_exp(logits) - static_cast<double>(logits[static_cast<std::size_t>(target)]);
}

inline double score_of_answer(test_set const& m, index_t i, std::span<int const> answer) {
  return lm::read_answer(answer) == m.problems[static_cast<std::size_t>(i)].result ? 1.0 : 0.0;
}

namespace detail {

inline std::vector<scores> no_scores(std::vector<condition> const& all, index_t items) {
  std::vector<scores> out;
  for (auto const& c : all) out.push_back({c, std::vector<double>(static_cast<std::size_t>(items))});
  return out;
}

/// Calls a function from one thread at a time.
template <class Call, class... Arguments>
void one_at_a_time(Call const& call, Arguments const&... arguments) {
#pragma omp critical(basin_study_one_at_a_time)
  call(arguments...);
}

/// Generates the answer, or scores the given text, after the prompt.
template <class Model>
double continue_text(lm::writing<Model>& text, key_masking& mask, test_set const& m, index_t i) {
  if (!m.is_text())
    return score_of_answer(m, i, lm::greedy(text, m.length - m.given, lm::answer_padding, mask));
  double sum = 0;
  for (int at = m.given; at < m.length; ++at) {
    int const id = m.sequence(i)[static_cast<std::size_t>(at)];
    sum += surprise(text.logits(), id);
    if (at + 1 < m.length) text.append(id, mask);
  }
  return sum / (m.length - m.given);
}

}  // namespace detail

/// The autoregressive model on every item under every condition. The prompt is read once, with nothing hidden; its last
/// token in a pass of its own, whose rows of weights rank the keys by the last row.
template <class Model>
std::vector<scores> score_autoregressive(Model& model, test_set const& m, std::vector<condition> const& all,
                                         pass_observer const& observe, tick const& done) {
  std::vector<scores> out = detail::no_scores(all, m.count);
  model_per_thread<Model>(model).each(m.count, [&](Model& mine, index_t i) {
    key_masking reader(mine.config(), 1, m.length, i, Model::shared_memory());
    lm::writing<Model> read(mine, m.prompt(i).first(m.prompt(i).size() - 1), reader);
    read.append(m.prompt(i).back(), reader);
    for (auto& s : out) {
      auto mask = reader;
      auto text = read;
      mask.set_plan(s.under.plan);
      if (s.under.plan.what == drop::nothing && observe) {
        mask.set_callback(
            [&](key_masking const& k, lm::pass const& now) { detail::one_at_a_time(observe, k, now, i); });
        detail::one_at_a_time(observe, mask, lm::pass{0, 1, 1, std::ssize(read.tokens()), read.tokens()}, i);
      }
      s.items[static_cast<std::size_t>(i)] = detail::continue_text(text, mask, m, i);
    }
    detail::one_at_a_time(done);
  });
  return out;
}

namespace detail {

inline constexpr index_t batch_size = 32;

/// Masks random bytes in the second half of every window; their number rises evenly from window to window.
inline std::vector<int> mask_windows(test_set const& m, index_t first, index_t batch, std::uint64_t seed) {
  std::vector<int> ids;
  for (index_t i = first; i < first + batch; ++i) {
    std::size_t const start = ids.size();
    std::ranges::copy(m.sequence(i), std::back_inserter(ids));
    int const open = m.length - m.given, hidden = 1 + static_cast<int>((i * open + open / 2) / m.count) % open;
    philox rng(seed, static_cast<std::uint64_t>(i) << 16);
    for (index_t const at : sinks::random_keys(rng, open, hidden))
      ids[start + static_cast<std::size_t>(m.given + at)] = lm::mask_id;
  }
  return ids;
}

/// -ln p per masked byte of every window, on the second of two equal passes; the first one determines the sinks.
template <class Model>
void score_masked(Model& model, test_set const& m, std::span<int const> ids, index_t first, index_t batch,
                  key_masking& mask, std::span<double> items) {
  std::span<float const> logits;
  for (index_t step = 0; step < 2; ++step) {
    lm::pass const now{step, batch, m.length, m.length, ids};
    logits = model.forward(ids, static_cast<int>(batch), m.length, mask.adapt(now));
    mask.seen(now);
  }
  std::size_t const vocabulary = logits.size() / ids.size();
  for (index_t b = 0; b < batch; ++b) {
    running_mean all;
    for (int at = m.given; at < m.length; ++at) {
      auto const row = static_cast<std::size_t>(b * m.length + at);
      if (ids[row] == lm::mask_id)
        all.add(surprise(logits.subspan(row * vocabulary, vocabulary),
                         m.sequence(first + b)[static_cast<std::size_t>(at)]));
    }
    items[static_cast<std::size_t>(b)] = all.result().mean;
  }
}

}  // namespace detail

/// How the second half of every item is unmasked.
inline lm::unmasking unmasking_of(study_options const& o, test_set const& m) {
  return programs::unmasking_of(o.unmask, m.given, m.length - m.given);
}

namespace detail {

/// Items [first, first + batch) under one condition: what each scores. // items [batch]
template <class Model>
void score_batch(Model& model, test_set const& m, study_options const& o, condition const& under, index_t first,
                  pass_observer const& observe, std::span<double> items) {
  auto const batch = std::ssize(items);
  auto ids = std::vector<int>(m.ids.begin() + first * m.length, m.ids.begin() + (first + batch) * m.length);
  bool const observed = under.plan.what == drop::nothing && observe;
  if (observed || !m.is_text()) {
    key_masking mask(model.config(), batch, m.length, first, Model::shared_memory());
    mask.set_plan(under.plan);
    if (observed)
      mask.set_callback([&](key_masking const& k, lm::pass const& now) { one_at_a_time(observe, k, now, first); });
    lm::low_confidence(model, ids, static_cast<int>(batch), unmasking_of(o, m), mask);
  }
  if (m.is_text()) {
    key_masking mask(model.config(), batch, m.length, first, Model::shared_memory());
    mask.set_plan(under.plan);
    return score_masked(model, m, mask_windows(m, first, batch, o.seed), first, batch, mask, items);
  }
  for (index_t b = 0; b < batch; ++b)
    items[static_cast<std::size_t>(b)] =
        score_of_answer(m, first + b,
                        std::span<int const>(ids).subspan(static_cast<std::size_t>(b * m.length + m.given),
                                                          static_cast<std::size_t>(m.length - m.given)));
}

}  // namespace detail

/// The masked diffusion model on every item under every condition.
template <class Model>
std::vector<scores> score_diffusion(Model& model, test_set const& m, study_options const& o,
                                    std::vector<condition> const& all, pass_observer const& observe,
                                    tick const& done) {
  std::vector<scores> out = detail::no_scores(all, m.count);
  index_t const batches = (m.count + detail::batch_size - 1) / detail::batch_size;
  model_per_thread<Model>(model).each(batches * std::ssize(all), [&](Model& mine, index_t task) {
    auto& s = out[static_cast<std::size_t>(task / batches)];
    index_t const first = task % batches * detail::batch_size, batch = std::min(detail::batch_size, m.count - first);
    detail::score_batch(mine, m, o, s.under, first, observe,
                         std::span(s.items).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(batch)));
    detail::one_at_a_time(done);
  });
  return out;
}

}  // namespace basin::study
