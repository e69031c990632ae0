// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// What a language model learns from: an objective turns sequences into inputs, targets and weights of one weighted
// cross entropy. Both objectives here are called alike, so that a trainer is written once:
//
//   next_token        input i is token i - 1, target i is token i; every token counts the same
//   masked_diffusion  input i is token i or a mask, target i is token i; only masked tokens count, by 1 / probability

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/lm/transformer.hpp"
#include "basin/nn/cross_entropy.hpp"

namespace basin::lm {

/// One weighted cross entropy: loss = sum_i weights_i CE(logits_i, targets_i). All members are [batch, length].
struct training_batch {
  int batch = 0, length = 0;
  std::vector<int> inputs, targets;
  std::vector<float> weights;
};

/// Which tokens are to be learned: not 0 for those of an answer, 0 for those that are given; empty means all.
using learned_tokens = std::span<unsigned char const>;

namespace detail {

inline void require_sequences(char const* where, std::span<int const> tokens, int batch, int length,
                              learned_tokens learned) {
  std::size_t const count =
      static_cast<std::size_t>(std::max(batch, 0)) * static_cast<std::size_t>(std::max(length, 0));
  if (batch < 1 || length < 1 || tokens.size() != count)
    throw shape_error(message("basin::lm::", where, ": ", tokens.size(), " tokens for ", batch, " sequences of ",
                              length, "; give their product, at least one"));
  if (!learned.empty() && learned.size() != count)
    throw shape_error(message("basin::lm::", where, ": ", learned.size(), " marks of learned tokens for ", count,
                              " tokens; give one for each, or none at all"));
  if (!learned.empty() && std::all_of(learned.begin(), learned.end(), [](unsigned char m) { return m == 0; }))
    throw value_error(message("basin::lm::", where, ": no token is marked as learned; mark at least one"));
}

/// The positions of sequence b that are learned, in order.
inline std::vector<int> learned_positions(learned_tokens learned, int b, int length) {
  std::vector<int> positions;
  for (int i = 0; i < length; ++i)
    if (learned.empty() || learned[static_cast<std::size_t>(b) * length + i] != 0) positions.push_back(i);
  return positions;
}

/// Moves k of the positions, chosen at random without replacement, to the front.
template <class Rng>
void choose_first(std::span<int> positions, int k, Rng& rng) {
  for (int i = 0; i < k; ++i)
    std::swap(positions[i],
              positions[i + static_cast<int>(below(rng, static_cast<std::uint32_t>(std::ssize(positions) - i)))]);
}

}  // namespace detail

/// Predict each token from those before it; the first is predicted from `begin`.
///
/// Source    loss = mean over learned tokens of -ln p(x_i | x_<i)
/// Errors    shape_error, value_error when nothing is to be learned
struct next_token {
  int begin = 0;  // the id that stands before every sequence

  template <class Rng>
  training_batch operator()(std::span<int const> tokens, int batch, int length, learned_tokens learned, Rng&) const {
    detail::require_sequences("next_token", tokens, batch, length, learned);
    training_batch out{batch, length, std::vector<int>(tokens.size()), {tokens.begin(), tokens.end()}, {}};
    for (std::size_t i = 0; i < tokens.size(); ++i) out.inputs[i] = i % length == 0 ? begin : tokens[i - 1];
    double const count =
        learned.empty()
            ? static_cast<double>(tokens.size())
            : static_cast<double>(std::count_if(learned.begin(), learned.end(), [](auto m) { return m != 0; }));
    out.weights.assign(tokens.size(), static_cast<float>(1 / count));
    for (std::size_t i = 0; i < learned.size(); ++i)
      if (learned[i] == 0) out.weights[i] = 0;
    return out;
  }
};

/// How many tokens a noise level hides: each on its own with probability p, or a fixed count of them.
enum class masking { independent, exact };

/// Predict hidden tokens from all that are left. One noise level t a sequence, spread evenly over the batch (t_b = u +
/// b / batch mod 1); what is not to be learned stays visible.
///
/// Source    Nie et al. 2025 (LLaDA), eq. 3 and section 2.3 (answers only): loss = mean over sequences of
///           1/n sum over masked i of -ln p(x_i | masked x) / p,  n learned tokens,  p = (1 - floor) t + floor
///           exact: k = 1 + [t n] hidden tokens, so that k is uniform on 1..n, and p = k / n; same expectation, less
///           variance
/// Edges     sequences without a learned token have weight 0
/// Errors    shape_error, value_error for a floor outside (0, 1] or when nothing is to be learned
struct masked_diffusion {
  int mask = 0;  // the id that hides a token
  masking how = masking::exact;
  double floor = 1e-3;  // the least probability of the independent form

  template <class Rng>
  training_batch operator()(std::span<int const> tokens, int batch, int length, learned_tokens learned,
                            Rng& rng) const {
    detail::require_sequences("masked_diffusion", tokens, batch, length, learned);
    if (!(floor > 0 && floor <= 1))
      throw value_error(message("basin::lm::masked_diffusion: floor is ", floor, "; it must be in (0, 1]"));
    training_batch out{batch,
                       length,
                       {tokens.begin(), tokens.end()},
                       {tokens.begin(), tokens.end()},
                       std::vector<float>(tokens.size())};
    double const start = uniform(rng);
    for (int b = 0; b < batch; ++b) {
      double const shifted = start + static_cast<double>(b) / batch, t = shifted - std::floor(shifted);
      auto positions = detail::learned_positions(learned, b, length);
      if (!positions.empty()) hide(out, b, t, positions, rng);
    }
    return out;
  }

 private:
  template <class Rng>
  void hide(training_batch& out, int b, double t, std::span<int> positions, Rng& rng) const {
    int const n = static_cast<int>(positions.size());
    int const k = std::min(n, 1 + static_cast<int>(t * n));
    double const p = how == masking::exact ? static_cast<double>(k) / n : (1 - floor) * t + floor;
    if (how == masking::exact) detail::choose_first(positions, k, rng);
    for (int i = 0; i < n; ++i) {
      bool const hidden = how == masking::exact ? i < k : uniform(rng) < p;
      if (!hidden) continue;
      std::size_t const at = static_cast<std::size_t>(b) * out.length + positions[i];
      out.inputs[at] = mask;
      out.weights[at] = static_cast<float>(1 / (p * n * out.batch));
    }
  }
};

/// Adds the gradients of the loss of one batch to those of the model, and returns the loss.
template <class Model, class Adapt = unchanged>
double accumulate(Model& model, training_batch const& data, Adapt adapt = {}) {
  auto const logits = model.logits(data.inputs, data.batch, data.length, adapt, activations::keep);
  model.cross_entropy(logits, data.targets, data.weights);  // they are the gradients now
  model.backward(view<typename Model::value_type const, 2>(logits), adapt);
  return model.loss();
}

}  // namespace basin::lm
