// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// How well a model predicts held-out sequences, in nats per learned token: exactly for an autoregressive model, and for
// a masked diffusion model either as the bound it was trained on or exactly, in one order.

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "basin/lm/evaluation/statistics.hpp"
#include "basin/lm/objectives/objectives.hpp"

namespace basin::lm {

/// How a likelihood is computed; the masks depend on the seed alone, so that models can be compared on the same ones.
struct likelihood_options {
  int rows = 32;           // sequences a forward pass
  int draws = 32;          // masks a sequence, for the bound
  std::uint64_t seed = 0;
};

namespace detail {

/// Collects inputs with the tokens to be judged, runs full batches, and keeps the summed cross entropy of every row.
template <class Model, class Adapt>
class row_scorer {
 public:
   row_scorer(Model& m, int row_length, int rows_at_once, Adapt& a)
       : model(m), adapt(a), length(row_length), rows(rows_at_once) {
     if (rows < 1)
       throw value_error(message("basin::lm::likelihood_options: rows is ", rows, "; it must be at least 1"));
   }

  void add(std::span<int const> row_inputs, std::span<int const> row_targets, std::span<float const> row_judged) {
    inputs.insert(inputs.end(), row_inputs.begin(), row_inputs.end());
    targets.insert(targets.end(), row_targets.begin(), row_targets.end());
    judged.insert(judged.end(), row_judged.begin(), row_judged.end());
    if (std::ssize(inputs) == index_t{rows} * length) run();
  }

  /// The sums of all rows, in the order of add().
  std::vector<double> const& finish() {
    if (!inputs.empty()) run();
    return sums;
  }

 private:
  using value = typename Model::value_type;

  void run() {
    int const count = static_cast<int>(inputs.size()) / length;
    auto const logits = model.forward(inputs, count, length, adapt);
    losses.resize(inputs.size());
    auto const of_tokens = contiguous(logits.data(), std::ssize(inputs), model.vocabulary());
    nn::cross_entropy_forward(nn::host{}, of_tokens, targets, judged, std::span(losses));
    for (int r = 0; r < count; ++r) {
      double sum = 0;
      for (int i = 0; i < length; ++i) sum += static_cast<double>(losses[static_cast<std::size_t>(r) * length + i]);
      sums.push_back(sum);
    }
    inputs.clear();
    targets.clear();
    judged.clear();
  }

  Model& model;
  Adapt& adapt;
  int length, rows;
  std::vector<int> inputs, targets;
  std::vector<value> judged, losses;
  std::vector<double> sums;
};

/// sum / tokens over sequences, with the error of a ratio of means.
inline estimate per_token(std::span<double const> sums, std::span<double const> tokens) {
  double total = 0, count = 0, squares = 0;
  for (std::size_t w = 0; w < sums.size(); ++w) {
    total += sums[w];
    count += tokens[w];
  }
  double const mean = total / count, n = static_cast<double>(sums.size());
  for (std::size_t w = 0; w < sums.size(); ++w) squares += (sums[w] - mean * tokens[w]) * (sums[w] - mean * tokens[w]);
  return {mean, n > 1 ? std::sqrt(n / (n - 1) * squares) / count : 0.0, std::ssize(sums)};
}

/// Averages the scaled sums of every sequence over its draws; sequences without learned tokens have none.
inline estimate average_draws(std::span<double const> sums, std::span<double const> scales,
                              std::span<double const> counts, int draws) {
  std::vector<double> means, one(static_cast<std::size_t>(draws), 1.0), scaled(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) scaled[i] = sums[i] * scales[i];
  std::span<double const> rest(scaled);
  for (double const count : counts) {
    means.push_back(count > 0 ? per_token(rest.first(one.size()), one).mean : 0.0);
    if (count > 0) rest = rest.subspan(one.size());
  }
  estimate result = per_token(means, counts);
  if (means.size() == 1) result.standard_error = per_token(scaled, one).standard_error / counts.front();
  return result;
}

inline std::vector<float> judged_tokens(std::span<int const> positions, int length) {
  std::vector<float> judged(static_cast<std::size_t>(length));
  for (int const i : positions) judged[static_cast<std::size_t>(i)] = 1;
  return judged;
}

}  // namespace detail

/// Exact: -ln p(learned tokens | those before) per learned token; the first token is predicted from `begin`.
///
/// Shapes    tokens, learned [sequences, length]
/// Errors    shape_error, value_error
template <class Model, class Adapt = unchanged>
estimate next_token_nll(Model& model, std::span<int const> tokens, int sequences, int length, int begin,
                        learned_tokens learned = {}, likelihood_options const& options = {}, Adapt adapt = {}) {
  detail::require_sequences("next_token_nll", tokens, sequences, length, learned);
  detail::row_scorer<Model, Adapt> scorer(model, length, options.rows, adapt);
  std::vector<double> counts;
  std::vector<int> inputs(static_cast<std::size_t>(length));
  for (int w = 0; w < sequences; ++w) {
    auto const row = tokens.subspan(static_cast<std::size_t>(w) * length, length);
    auto const positions = detail::learned_positions(learned, w, length);
    inputs.front() = begin;
    std::copy(row.begin(), row.end() - 1, inputs.begin() + 1);
    scorer.add(inputs, row, detail::judged_tokens(positions, length));
    counts.push_back(static_cast<double>(positions.size()));
  }
  return detail::per_token(scorer.finish(), counts);
}

/// An upper bound on -ln p(learned tokens | the rest) per learned token, by masks with exact counts.
///
/// Source    E over k uniform on 1..n and over sets of k hidden tokens of n/k sum CE; Nie et al. 2025, eq. 6. The
///           counts of one sequence are stratified: draw d of D hides 1 + (u + d n / D mod n) tokens, u uniform
/// Shapes    tokens, learned [sequences, length]
/// Errors    shape_error, value_error
template <class Model, class Adapt = unchanged>
estimate diffusion_bound(Model& model, std::span<int const> tokens, int sequences, int length, int mask,
                         learned_tokens learned = {}, likelihood_options const& options = {}, Adapt adapt = {}) {
  detail::require_sequences("diffusion_bound", tokens, sequences, length, learned);
  if (options.draws < 1)
    throw value_error(
        message("basin::lm::likelihood_options: draws is ", options.draws, "; it must be at least 1"));
  detail::row_scorer<Model, Adapt> scorer(model, length, options.rows, adapt);
  philox rng(options.seed);
  std::vector<double> scales, counts;
  for (int w = 0; w < sequences; ++w) {
    auto const row = tokens.subspan(static_cast<std::size_t>(w) * length, length);
    auto positions = detail::learned_positions(learned, w, length);
    counts.push_back(static_cast<double>(positions.size()));
    if (positions.empty()) continue;
    std::uint64_t const n = positions.size(), start = below(rng, static_cast<std::uint32_t>(n));
    for (int d = 0; d < options.draws; ++d) {
      int const k = 1 + static_cast<int>((start + d * n / options.draws) % n);
      detail::choose_first(positions, k, rng);
      std::vector<int> inputs(row.begin(), row.end());
      auto const hidden = std::span(positions).first(k);
      for (int const i : hidden) inputs[static_cast<std::size_t>(i)] = mask;
      scorer.add(inputs, row, detail::judged_tokens(hidden, length));
      scales.push_back(static_cast<double>(n) / k);
    }
  }
  return detail::average_draws(scorer.finish(), scales, counts, options.draws);
}

/// Exact, in one order: -ln p(token i | given tokens and learned tokens before i), everything from i on hidden. This is
/// a likelihood like that of an autoregressive model, unlike the bound; it takes one row a token.
///
/// Shapes    tokens, learned [sequences, length]
/// Errors    shape_error, value_error
template <class Model, class Adapt = unchanged>
estimate left_to_right_nll(Model& model, std::span<int const> tokens, int sequences, int length, int mask,
                           learned_tokens learned = {}, likelihood_options const& options = {}, Adapt adapt = {}) {
  detail::require_sequences("left_to_right_nll", tokens, sequences, length, learned);
  detail::row_scorer<Model, Adapt> scorer(model, length, options.rows, adapt);
  std::vector<double> counts, sums;
  for (int w = 0; w < sequences; ++w) {
    auto const row = tokens.subspan(static_cast<std::size_t>(w) * length, length);
    auto const positions = detail::learned_positions(learned, w, length);
    std::vector<int> inputs(row.begin(), row.end());
    for (int const i : positions) inputs[static_cast<std::size_t>(i)] = mask;
    for (int const i : positions) {
      scorer.add(inputs, row, detail::judged_tokens(std::span(&i, 1), length));
      inputs[static_cast<std::size_t>(i)] = row[static_cast<std::size_t>(i)];
    }
    counts.push_back(static_cast<double>(positions.size()));
  }
  auto next = scorer.finish().begin();
  for (double const count : counts) {
    sums.push_back(std::accumulate(next, next + static_cast<std::ptrdiff_t>(count), 0.0));
    next += static_cast<std::ptrdiff_t>(count);
  }
  return detail::per_token(sums, counts);
}

}  // namespace basin::lm
